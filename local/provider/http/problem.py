"""What the provider answers itself on /function: application/problem+json."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Mapping
from http import HTTPStatus

from aiohttp import web

# Where the next request begins is not known.
UNREAD = {
    HTTPStatus.BAD_REQUEST,
    HTTPStatus.REQUEST_TIMEOUT,
    HTTPStatus.HTTP_VERSION_NOT_SUPPORTED,
}
# Of a status with several reasons, the one that the provider mostly has for it.
CODES = {
    400: "bad-request",
    404: "not-found",
    405: "method-not-allowed",
    408: "request-too-slow",
    413: "body-too-large",
    415: "unsupported-encoding",
    417: "expectation-failed",
    429: "too-many-requests",
    500: "internal",
    501: "not-implemented",
    502: "function-broke-off",
    503: "unavailable",
    504: "function-too-slow",
    505: "http-version-not-supported",
}
CALL_ID = re.compile(r"[!-~]{1,200}")
TRACE_ID = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}")
TRY_AGAIN = {HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.TOO_MANY_REQUESTS}


class Problem(Exception):
    """The request is answered by the provider itself, with this status and text.

    Attributes:
        code: the last part of its `type`; of the status, unless it has a name of its own.
    """

    def __init__(
        self,
        status: HTTPStatus,
        detail: str,
        headers: Mapping[str, str] | None = None,
        code: str | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code or CODES.get(status) or status.phrase.lower().replace(" ", "-")
        self.headers = headers or {}


def call_id_of(request: web.BaseRequest) -> str:
    """Return the id that the caller gave this call, or a new one."""
    return as_call_id(request.headers.get("X-Call-Id", ""))


def as_call_id(given: str) -> str:
    """Return what the caller gave, where it is an id, or a new one."""
    return given if CALL_ID.fullmatch(given) else str(uuid.uuid4())


def document(problem: Problem, traceparent: str = "") -> bytes:
    """Write a problem (RFC 9457), worded as by our functions and their server."""
    body = {
        "type": f"urn:image-pipeline:problem:{problem.code}",
        "title": problem.code.replace("-", " "),
        "status": problem.status,
        "detail": str(problem),
    }
    if trace := TRACE_ID.fullmatch(traceparent):
        body["traceId"] = trace[1]
    return json.dumps(body).encode()


def headers_of(problem: Problem, call_id: str) -> dict[str, str]:
    headers = {**problem.headers, "X-Call-Id": call_id, "Content-Type": "application/problem+json"}
    if problem.status in TRY_AGAIN:
        headers["Retry-After"] = "1"
    return headers


def answer(request: web.BaseRequest, problem: Problem, call_id: str) -> web.Response:
    status = problem.status
    body = document(problem, request.headers.get("traceparent", ""))
    response = web.Response(status=status, body=body, headers=headers_of(problem, call_id))
    if status in UNREAD:
        response.force_close()
    return response
