"""The /async-function route: hands calls to the queue, which answers when it holds them for good.

What a call may be is the queue's to say (consumers/async-call-consumer); here is what the provider
knows: which functions there are, and which requests can be read in one way.
"""

from __future__ import annotations

import json
import time
from http import HTTPStatus

import aiohttp
from aiohttp import web

from local.provider.http.bodies import Bodies
from local.provider.http.call import Call
from local.provider.http.problem import TRACE_ID, Problem, answer, call_id_of
from local.provider.http.proxy import Proxy
from local.provider.replicas.host import Host

_CONNECT_SECONDS = 2.0
_NO_QUEUE = (
    "there is no queue here: ASYNC_CALLS_URL is not set. /function answers when the function has;"
    " pictures go to POST /api/v1/images, which answers 202 at once"
)


class Asynchronous:
    """Takes calls in the name of the queue.

    Args:
        bodies: the budget that all request bodies share.
    """

    def __init__(self, proxy: Proxy, host: Host, bodies: Bodies) -> None:
        self._proxy = proxy
        self._session = host.session
        self._login = host.secrets.authorization().encode()
        self._url = host.settings.async_calls_url
        self._answer_seconds = host.settings.queue_seconds
        self._bodies = bodies

    async def accept(self, request: web.Request) -> web.StreamResponse:
        """Answer ANY /async-function/NAME[.NAMESPACE][/path][?query]."""
        call_id = call_id_of(request)
        body = b""
        try:
            if not self._url:
                raise Problem(HTTPStatus.NOT_IMPLEMENTED, _NO_QUEUE)
            target = request.raw_path.removeprefix("/async-function")
            _, path = self._proxy.find(f"/function{target}")
            if request.method != "POST":
                detail = f"{request.method} is not allowed here; an asynchronous call is a POST"
                raise Problem(HTTPStatus.METHOD_NOT_ALLOWED, detail, {"Allow": "POST"})
            body = await self._bodies.read(request)
            head = self._head(request, call_id, _name(target), path)
            return await self._hand_over(request, call_id, head, body)
        except Problem as problem:
            return answer(request, problem, call_id)
        finally:
            self._bodies.give_back(len(body))

    def _head(self, request: web.Request, call_id: str, name: str, path: bytes) -> bytes:
        call = Call(
            method=request.method.encode(),
            target=path,
            headers=request.raw_headers,
            sender=request.remote or "unknown",
            call_id=call_id,
            started_at=0.0,
        )
        told = {
            "callId": call_id,
            "function": name,
            "method": request.method,
            "path": path.decode(),
            # Byte by byte, as Latin-1 shows them.
            "headers": [
                [key.decode("latin-1"), value.decode("latin-1")]
                for key, value in call.request_headers(b"", self._login)
            ],
        }
        return json.dumps(told).encode()

    async def _hand_over(
        self, request: web.Request, call_id: str, head: bytes, body: bytes
    ) -> web.StreamResponse:
        started_at = time.time_ns()
        timeout = aiohttp.ClientTimeout(total=self._answer_seconds, connect=_CONNECT_SECONDS)
        try:
            async with self._session.post(
                f"{self._url}/calls",
                data=head + b"\n" + body,
                headers={"Content-Type": "application/octet-stream"},
                timeout=timeout,
                allow_redirects=False,
            ) as taken:
                said = await taken.read()
        except (aiohttp.ClientError, TimeoutError) as error:
            detail = "the queue does not answer; whether it has the call is not known"
            raise Problem(HTTPStatus.SERVICE_UNAVAILABLE, detail) from error
        headers = {"X-Call-Id": call_id}
        if taken.status == HTTPStatus.ACCEPTED:
            headers["X-Start-Time"] = str(started_at)
            return web.Response(status=taken.status, headers=headers)
        for name in ("Content-Type", "Retry-After", "Allow"):
            if name in taken.headers:
                headers[name] = taken.headers[name]
        return web.Response(status=taken.status, headers=headers, body=_traced(request, said))


def _name(target: str) -> str:
    """Tell what is called, as it is called: perhaps with its namespace."""
    return target[1:].partition("?")[0].partition("/")[0]


def _traced(request: web.Request, problem: bytes) -> bytes:
    """Say in the queue's problem which trace it belongs to."""
    trace = TRACE_ID.fullmatch(request.headers.get("traceparent", ""))
    try:
        document = json.loads(problem)
        document.pop("traceId", None)
    except (ValueError, AttributeError):
        return problem
    return json.dumps(document | ({"traceId": trace[1]} if trace else {})).encode()
