"""What a watchdog answers itself: application/problem+json, worded as by our functions' server."""

from __future__ import annotations

import json
from http import HTTPStatus

from aiohttp import web

CODES = {
    408: "request-too-slow",
    413: "body-too-large",
    429: "too-many-requests",
    500: "internal",
    502: "function-broke-off",
    503: "unavailable",
    504: "function-too-slow",
}
TRY_AGAIN = (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE)


class Problem(Exception):
    """The request is answered with this status and text."""

    def __init__(self, status: HTTPStatus, detail: str) -> None:
        super().__init__(detail)
        self.status = status


def answer(problem: Problem) -> web.Response:
    code = CODES[problem.status]
    body = {
        "type": f"urn:image-pipeline:problem:{code}",
        "title": code.replace("-", " "),
        "status": problem.status,
        "detail": str(problem),
    }
    headers = {"Content-Type": "application/problem+json"}
    if problem.status in TRY_AGAIN:
        headers["Retry-After"] = "1"
    return web.Response(status=problem.status, body=json.dumps(body).encode(), headers=headers)
