"""Which errors of a store end an image, and which are waited for."""

from __future__ import annotations

import pytest

from pipeline.storage.s3 import is_final


def said(code: str) -> bytes:
    """What S3 answers beside a status."""
    return f'<?xml version="1.0"?>\n<Error><Code>{code}</Code><Message>m</Message></Error>'.encode()


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (400, said("XMinioInvalidObjectName")),
        (400, said("XMinioInvalidResourceName")),
        (400, said("InvalidArgument")),
        (400, said("KeyTooLongError")),
        (400, said("EntityTooLarge")),
        (405, b""),
        (411, b""),
        (413, b"<html>"),
        (414, b""),
        (416, said("InvalidRange")),
        (431, b""),
    ],
)
def test_what_would_be_answered_for_ever_is_final(status: int, body: bytes) -> None:
    assert is_final(status, body)


@pytest.mark.parametrize(
    ("status", "body"),
    [
        # Not the store itself, or what may arrive whole the next time.
        (400, b""),
        (400, b"<html>The plain HTTP request was sent to HTTPS port</html>"),
        (400, said("RequestTimeout")),
        (400, said("IncompleteBody")),
        (400, said("BadDigest")),
        # What an operator mends: keys, clocks, policies, buckets, a store without what is asked.
        (400, said("ExpiredToken")),
        (400, said("AuthorizationHeaderMalformed")),
        (401, b""),
        (403, said("AccessDenied")),
        (403, said("RequestTimeTooSkewed")),
        (403, said("SignatureDoesNotMatch")),
        (404, said("NoSuchBucket")),
        (501, said("NotImplemented")),
        # What passes.
        (408, b""),
        (409, said("OperationAborted")),
        (429, b""),
        (500, said("InternalError")),
        (503, said("SlowDown")),
        (507, said("XMinioStorageFull")),
    ],
)
def test_what_may_be_answered_otherwise_is_waited_for(status: int, body: bytes) -> None:
    assert not is_final(status, body)
