"""Calls that come by aiohttp's server: those with chunks, of HTTP/1.0, with expectations.

Plain ones go the fast path (fast_path.py).
"""

from __future__ import annotations

import logging
import time
from http import HTTPStatus

from aiohttp import web
from multidict import CIMultiDict

from local.provider.functions.function import Function
from local.provider.http.bodies import Bodies
from local.provider.http.call import Call, as_text, length_of
from local.provider.http.problem import Problem, answer, call_id_of
from local.provider.http.proxy import Incomplete, Proxy
from local.provider.http.server import Stream
from local.provider.http.websocket import WebSockets
from local.provider.replicas.connection import Answer, Connection

logger = logging.getLogger(__name__)

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")  # as OpenFaaS has them
_METHOD = f"a function is called by {', '.join(METHODS)}"
UNTYPED = web.ResponseKey("untyped", bool)  # the function names no type


class Relay:
    """Reads a call, has it forwarded, and writes the answer."""

    def __init__(self, proxy: Proxy, bodies: Bodies, websockets: WebSockets) -> None:
        self._proxy = proxy
        self._websockets = websockets
        self._bodies = bodies

    async def invoke(self, request: web.Request) -> web.StreamResponse:
        """Answer ANY /function/NAME[.NAMESPACE][/path][?query]."""
        call_id = call_id_of(request)
        try:
            if request.method not in METHODS:
                raise Problem(HTTPStatus.METHOD_NOT_ALLOWED, _METHOD, {"Allow": ", ".join(METHODS)})
            function, target = self._proxy.find(request.raw_path)
        except Problem as problem:
            return answer(request, problem, call_id)
        call = Call(
            method=request.method.encode(),
            target=target,
            headers=request.raw_headers,
            sender=request.remote or "unknown",
            call_id=call_id,
            started_at=time.perf_counter(),
        )
        status = 500
        response: web.StreamResponse | None
        try:
            response = await self._websockets.relay(request, function, call)
            if response is None:
                response = await self._forward(request, function, call)
            status = response.status
        except Problem as problem:
            status = problem.status
            response = answer(request, problem, call_id)
            response.headers.update((key.decode(), text.decode()) for key, text in call.times())
        finally:
            function.answered.add(int(status), time.perf_counter() - call.started_at)
        return response

    async def _forward(
        self, request: web.Request, function: Function, call: Call
    ) -> web.StreamResponse:
        response: web.StreamResponse | None = None

        async def tell(call: Call, told: Answer, connection: Connection) -> web.StreamResponse:
            nonlocal response
            response = response_to(call, told)
            if not told.is_whole:
                await response.prepare(request)
                async for piece in connection.pieces():
                    await response.write(piece)
            return response

        self._proxy.enter()
        try:
            call.body = await self._bodies.read(request)
            return await self._proxy.forward(function, call, tell)
        except Incomplete as error:
            assert response is not None
            logger.warning("answer broken off", extra={"reason": str(error)})
            if request.transport:
                request.transport.abort()  # so that nobody takes it for the whole
            return response
        finally:
            self._proxy.leave()
            self._bodies.give_back(len(call.body))


def response_to(call: Call, told: Answer) -> web.StreamResponse:
    headers = CIMultiDict(
        (name.decode(), as_text(value)) for name, value in call.answer_headers(told.headers)
    )
    reason = as_text(told.reason)
    response: web.StreamResponse
    if told.body:
        response = web.Response(status=told.status, reason=reason, headers=headers, body=told.body)
    else:
        if (length := length_of(told.headers)) is not None:
            headers["Content-Length"] = length.decode()
        response = Stream(status=told.status, reason=reason, headers=headers)
    response[UNTYPED] = "Content-Type" not in headers
    return response


async def leave_untyped(request: web.Request, response: web.StreamResponse) -> None:
    """Leave out the type that aiohttp gives whatever has none; plain requests are told none."""
    if response.get(UNTYPED, False):
        response.headers.popall("Content-Type", None)
