"""The error tree: whether trying again would help, and which HTTP status says so.

What each code means: docs/problems.md.
"""

from __future__ import annotations

from collections.abc import Mapping


class PipelineError(Exception):
    """An error whose text is meant for the caller.

    Attributes:
        status: HTTP status; follows from the type.
        code: stable short name, the last part of the problem's `type`. Of the type, unless one of
            its reasons has a name of its own.
        found: the value that was refused, or None.
        allowed: what would have been accepted, or None.
        headers: what an HTTP answer says besides.
    """

    status = 500
    code = "internal"
    headers: Mapping[str, str] = {}

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        found: object = None,
        allowed: object = None,
    ) -> None:
        super().__init__(message)
        self.code = code or type(self).code
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


class EmptyBody(InvalidImage):
    """Not a byte of an image was sent."""

    status = 400
    code = "empty-body"


class ImageTooLarge(InvalidImage):
    """The image has more bytes than are taken."""

    status = 413
    code = "image-too-large"


class UnsupportedFormat(InvalidImage):
    """The file is of no format that is decoded."""

    status = 415
    code = "unsupported-format"


class MalformedEvent(Rejected):
    """The bytes of a message are not an event this system wrote."""

    code = "malformed-event"


class Unauthorized(Rejected):
    """The caller did not prove who it is."""

    status = 401
    code = "unauthorized"


class Forbidden(Rejected):
    """The caller is known, and may not do this."""

    status = 403
    code = "forbidden"


class NotFound(Rejected):
    """There is no such thing, or it is not the caller's."""

    status = 404
    code = "not-found"


class MethodNotAllowed(Rejected):
    """The path takes other methods; `allowed` names them."""

    status = 405
    code = "method-not-allowed"


class Conflict(Rejected):
    """What is there now does not allow this; `detail` says what is."""

    status = 409
    code = "conflict"


class KeyReused(Rejected):
    """An Idempotency-Key came with another request than the first time."""

    status = 422
    code = "idempotency-key-reused"


class Gone(Rejected):
    """It was there, and is kept no longer."""

    status = 410
    code = "gone"


class TooLarge(Rejected):
    """A body that is no image has more bytes than are taken."""

    status = 413
    code = "body-too-large"


class UnsupportedEncoding(Rejected):
    """The body is to be decoded first; bytes are taken as they are."""

    status = 415
    code = "unsupported-encoding"


class HeadersTooLarge(Rejected):
    """A header is longer than is read."""

    status = 431
    code = "headers-too-large"


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


class OverQuota(Unavailable):
    """A tenant has used up what it may; later there is room again."""

    status = 429
    code = "over-quota"

    def __init__(
        self,
        message: str,
        *,
        found: object,
        allowed: object,
        retry_after_seconds: int,
        headers: Mapping[str, str],
    ) -> None:
        super().__init__(
            message, found=found, allowed=allowed, retry_after_seconds=retry_after_seconds
        )
        self.headers = headers


class Refused(PipelineError):
    """A dependency took the request and said no for good: trying again does not help."""

    code = "refused"


# Said to operators, never to callers: no PipelineError, so that a process that meets one while it
# starts ends rather than tries again.
class SettingsError(Exception):
    """The environment cannot be used; the text names every variable that is wrong."""


class ModelRefused(Exception):
    """A model cannot be used as it is; the text says what was found and what is expected."""
