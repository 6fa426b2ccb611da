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
CALL_ID = re.compile(r"[!-~]{1,200}")
TRACE_ID = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}")
TRY_AGAIN = {HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.TOO_MANY_REQUESTS}
NOT_ASYNCHRONOUS = (
    "there is no queue here: call /function/{name}, which answers when the function has;"
    " pictures go to POST /api/v1/images, which answers 202 at once"
)


class Problem(Exception):
    """The request is answered by the provider itself, with this status and text."""

    def __init__(
        self, status: HTTPStatus, detail: str, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.headers = headers or {}


def call_id_of(request: web.BaseRequest) -> str:
    """Return the id that the caller gave this call, or a new one."""
    given = request.headers.get("X-Call-Id", "")
    return given if CALL_ID.fullmatch(given) else str(uuid.uuid4())


def answer(request: web.BaseRequest, problem: Problem, call_id: str) -> web.Response:
    status = problem.status
    body = {"type": "about:blank", "title": status.phrase, "status": status, "detail": str(problem)}
    if trace := TRACE_ID.fullmatch(request.headers.get("traceparent", "")):
        body["traceId"] = trace[1]
    headers = {**problem.headers, "X-Call-Id": call_id, "Content-Type": "application/problem+json"}
    if status in TRY_AGAIN:
        headers["Retry-After"] = "1"
    response = web.Response(status=status, body=json.dumps(body).encode(), headers=headers)
    if status in UNREAD:
        response.force_close()
    return response


async def refuse_asynchronous(request: web.Request) -> web.Response:
    """Answer ANY /async-function/NAME."""
    detail = NOT_ASYNCHRONOUS.format(name=request.match_info["name"])
    return answer(request, Problem(HTTPStatus.NOT_IMPLEMENTED, detail), call_id_of(request))
