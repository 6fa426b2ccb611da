"""A request that cannot be done, whoever finds that out."""

from __future__ import annotations


class Refused(Exception):
    """A request that cannot be done; `status` and the message are its answer."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
