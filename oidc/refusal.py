"""Why a token opens nothing; nothing that a client wrote is in the words, they become headers."""

from __future__ import annotations

UNAUTHORIZED = 401
FORBIDDEN = 403


class Refused(Exception):
    """The token is none of ours, or its claims are not enough."""

    def __init__(self, what: str, status: int = UNAUTHORIZED) -> None:
        super().__init__(f"a bearer token {what}")
        self.status = status


class Unknown(Exception):
    """Nobody can tell now: the issuer's keys are not at hand."""
