"""What the provider answers itself on /function: application/problem+json."""

from __future__ import annotations

import json
import uuid
from http import HTTPStatus

from aiohttp import web

TRY_AGAIN = {HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.TOO_MANY_REQUESTS}
NOT_ASYNCHRONOUS = (
    "there is no queue here: call /function/{name}, which answers when the function has;"
    " pictures go to POST /api/v1/images, which answers 202 at once"
)


class Problem(Exception):
    """The request is answered by the provider itself, with this status and text."""

    def __init__(self, status: HTTPStatus, detail: str) -> None:
        super().__init__(detail)
        self.status = status


def call_id_of(request: web.Request) -> str:
    return request.headers.get("X-Call-Id") or str(uuid.uuid4())


def answer(request: web.Request, problem: Problem, call_id: str) -> web.Response:
    status = problem.status
    body = {"type": "about:blank", "title": status.phrase, "status": status, "detail": str(problem)}
    parts = request.headers.get("traceparent", "").split("-")
    if len(parts) == 4:
        body["traceId"] = parts[1]
    headers = {"X-Call-Id": call_id}
    if status in TRY_AGAIN:
        headers["Retry-After"] = "1"
    return web.Response(
        status=status,
        text=json.dumps(body),
        headers=headers,
        content_type="application/problem+json",
    )


async def refuse_asynchronous(request: web.Request) -> web.Response:
    """Answer ANY /async-function/NAME."""
    detail = NOT_ASYNCHRONOUS.format(name=request.match_info["name"])
    return answer(request, Problem(HTTPStatus.NOT_IMPLEMENTED, detail), call_id_of(request))
