"""What every function speaks over HTTP: who calls, JSON answers, problems (RFC 9457)."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pipeline import telemetry
from pipeline.errors import MethodNotAllowed, PipelineError, Unavailable, UnsupportedEncoding
from pipeline.http.identity import TOKEN_HEADER, Caller, Verifier

logger = logging.getLogger(__name__)

Response = dict[str, Any]

MAX_FOUND_CHARACTERS = 200
REQUEST_ID_HEADER = "X-Request-Id"

_JSON_HEADERS = {"Content-Type": "application/json", "Cache-Control": "no-store"}


@dataclass(frozen=True)
class Call:
    """One HTTP request as a handler gets it."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes
    trace_id: str

    @property
    def names(self) -> dict[str, str]:
        """What a log line says of the request: its trace, and the client's own name for it."""
        own = self.headers.get(REQUEST_ID_HEADER, "")
        # The gateway says the trace's where the client named none.
        named = own and own != self.trace_id
        return {"trace_id": self.trace_id, **({"request_id": own} if named else {})}

    def caller(self, verifier: Verifier) -> Caller:
        """Tell whose request it is, from the token that was signed for it.

        Raises:
            Unauthorized: the token is missing or not for this request.
        """
        token = self.headers.get(TOKEN_HEADER, "")
        return verifier.verify(token, self.method, self.path)

    def require_method(self, *allowed: str) -> None:
        """Refuse another method.

        Raises:
            MethodNotAllowed: it names those that are.
        """
        if self.method not in allowed:
            raise MethodNotAllowed(
                f"{self.method} is not allowed here",
                found=self.method,
                allowed=", ".join(allowed),
            )

    def require_no_encoding(self) -> None:
        """Refuse a body that is to be inflated: its size would be that of a bomb.

        Raises:
            UnsupportedEncoding: it is.
        """
        found = self.headers.get("Content-Encoding", "")
        if {coding.strip().lower() for coding in found.split(",")} - {"", "identity"}:
            found = found[:MAX_FOUND_CHARACTERS]
            raise UnsupportedEncoding(
                f"the body has the Content-Encoding {found!r}; send the bytes as they are",
                found=found,
                allowed="identity",
            )


def answer(event: Any, function: Callable[[Call], Response]) -> Response:
    """Run a function on an OpenFaaS event; errors meant for the caller become problems."""
    call = Call(
        method=event.method,
        path=event.path or "/",
        query=event.query or {},
        headers=event.headers,
        body=event.body or b"",
        trace_id=telemetry.trace_id(event.headers.get("traceparent")),
    )
    try:
        call.require_no_encoding()
        return function(call)
    except PipelineError as error:
        logger.log(
            logging.WARNING if error.status >= 500 else logging.INFO,
            "request refused",
            extra={**call.names, "status": error.status, "reason": str(error)},
        )
        return problem(error, call.trace_id)


def respond(status: int, body: object, headers: Mapping[str, str] | None = None) -> Response:
    """Answer JSON, which nobody keeps unless the headers say so."""
    return {
        "statusCode": status,
        "headers": {**_JSON_HEADERS, **(headers or {})},
        "body": json.dumps(body, ensure_ascii=False, separators=(",", ":")),
    }


def problem(error: PipelineError, trace_id: str) -> Response:
    """Answer an error as application/problem+json."""
    headers = {**_JSON_HEADERS, "Content-Type": "application/problem+json", **error.headers}
    if isinstance(error, Unavailable):
        headers["Retry-After"] = str(error.retry_after_seconds)
    if isinstance(error, MethodNotAllowed):
        headers["Allow"] = str(error.allowed)
    if error.code == UnsupportedEncoding.code:
        headers["Accept-Encoding"] = str(error.allowed)  # as RFC 9110 has it in a 415
    return {
        "statusCode": error.status,
        "headers": headers,
        "body": _text(document(error, trace_id)),
    }


def document(error: PipelineError, trace_id: str) -> dict[str, object]:
    """Say an error as a problem (RFC 9457)."""
    body: dict[str, object] = {
        "type": f"urn:image-pipeline:problem:{error.code}",
        "title": error.code.replace("-", " "),
        "status": error.status,
        "detail": str(error),
        "traceId": trace_id,
    }
    if error.found is not None:
        body["found"] = error.found
    if error.allowed is not None:
        body["allowed"] = error.allowed
    return body


def _text(body: object) -> str:
    # What was found may hold half a character, which JSON can say and UTF-8 cannot.
    return json.dumps(body, ensure_ascii=False).encode(errors="replace").decode()
