"""The error tree: whether trying again would help, and which HTTP status says so."""

from __future__ import annotations


class PipelineError(Exception):
    """An error whose text is meant for the caller.

    Attributes:
        status: HTTP status.
        code: stable short name, the last part of the problem's `type`.
        found: the value that was refused, or None.
        allowed: what would have been accepted, or None.
    """

    status = 500
    code = "internal"

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        status: int | None = None,
        found: object = None,
        allowed: object = None,
    ) -> None:
        super().__init__(message)
        self.code = code or type(self).code
        self.status = status or type(self).status
        self.found = found
        self.allowed = allowed


class Rejected(PipelineError):
    """The request can never work as it is: trying again does not help."""

    status = 400
    code = "bad-request"


class InvalidImage(Rejected):
    """The image can never be classified: one attempt, then a dead letter."""

    status = 422
    code = "invalid-image"


class MalformedEvent(Rejected):
    """The bytes of a message are not an event this system wrote."""

    code = "malformed-event"


class Unauthorized(Rejected):
    """The caller did not prove who it is."""

    status = 401
    code = "unauthorized"


class NotFound(Rejected):
    """There is no such thing, or it is not the caller's."""

    status = 404
    code = "not-found"


class Unavailable(PipelineError):
    """A dependency does not answer now: wait and try again."""

    status = 503
    code = "unavailable"

    def __init__(
        self,
        message: str,
        *,
        retry_after_seconds: int = 2,
        code: str | None = None,
        found: object = None,
        allowed: object = None,
    ) -> None:
        super().__init__(message, code=code, found=found, allowed=allowed)
        self.retry_after_seconds = retry_after_seconds


class Refused(PipelineError):
    """A dependency took the request and said no for good: trying again does not help."""

    code = "refused"
