"""The HTTP port: POST /calls takes a call, and beside it /healthz and /metrics."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from acceptance import MAX_HEAD_BYTES, Acceptance
from pipeline.errors import PipelineError, Rejected, TooLarge
from pipeline.events.calls import FunctionCalled
from pipeline.http import web
from queued import names_of

logger = logging.getLogger(__name__)

PATH = "/calls"
# Calls that are being taken, each with its body in memory; others wait with theirs unread.
_AT_ONCE = 32
_READ_SECONDS = 30.0

StartResponse = Callable[..., Any]


class Door:
    """A WSGI application for one path."""

    def __init__(self, acceptance: Acceptance, most_bytes: int) -> None:
        self._acceptance = acceptance
        self._most_bytes = most_bytes + MAX_HEAD_BYTES
        self._room = threading.BoundedSemaphore(_AT_ONCE)

    def __call__(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        """Answer 202 or a problem."""
        try:
            call = self.take(environ)
        except PipelineError as error:
            return problem(error, start_response)
        start_response("202 Accepted", [("Content-Type", "application/json")])
        return [json.dumps({"callId": call.call_id}).encode()]

    def take(self, environ: dict[str, Any], head: bytes = b"") -> FunctionCalled:
        """Take a call for good.

        Args:
            head: what stands before the body in the document, if the request has the body alone.

        Raises:
            PipelineError: it is not taken; says why.
        """
        try:
            with self._room:
                call = self._acceptance.accept(head + self._document(environ))
        except PipelineError:
            raise
        except Exception as error:
            logger.exception("call not taken")
            raise PipelineError("a bug; the log says which") from error
        logger.info("accepted", extra=names_of(call))
        return call

    def _document(self, environ: dict[str, Any]) -> bytes:
        if environ["REQUEST_METHOD"] != "POST":
            raise Rejected("only POST is taken here")
        length = environ.get("CONTENT_LENGTH", "")
        if not (length.isascii() and length.isdecimal()):
            raise Rejected("the call has no length")
        if int(length) > self._most_bytes:
            raise TooLarge(f"the call is {length} bytes; the limit is {self._most_bytes} bytes")
        return _read(environ["wsgi.input"], int(length))


def _read(stream: Any, length: int) -> bytes:
    """Read so many bytes within a time: whoever is slow keeps a place that others wait for."""
    document = bytearray()
    deadline = time.monotonic() + _READ_SECONDS
    while len(document) < length:
        if time.monotonic() > deadline:
            raise Rejected(f"the call did not come within {_READ_SECONDS:g} s")
        piece = stream.read1(length - len(document))
        if not piece:
            raise Rejected("the call broke off")
        document += piece
    return bytes(document)


def problem(
    error: PipelineError,
    start_response: StartResponse,
    trace_id: str = "",
    headers: Sequence[tuple[str, str]] = (),
) -> Iterable[bytes]:
    """Answer an error, and what else is to be said beside it."""
    answer = web.problem(error, trace_id)
    status = f"{answer['statusCode']} {error.code}"
    start_response(status, [*answer["headers"].items(), *headers])
    return [answer["body"].encode()]
