"""The /function route: hands requests to replicas, and their answers back."""

from __future__ import annotations

import json
import logging
import re
import time
import uuid
from http import HTTPStatus

import aiohttp
from aiohttp import web
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from local.provider.function import Function
from local.provider.functions import Functions
from local.provider.host import Host
from local.provider.replica import Replica
from local.provider.spec import NAMESPACE, Refused

logger = logging.getLogger(__name__)

MAX_BODY_BYTES = 20 * 1024 * 1024  # as Nginx allows
MAX_HELD_BYTES = 512 * 1024 * 1024  # of all request bodies together, which are kept for a replay
MAX_IN_FLIGHT = 1024
MAX_WHOLE_ANSWER_BYTES = 1024 * 1024  # a larger one is passed on piece by piece
TARGET = re.compile(r"(?:https?://[^/]*)?/function/([^/?.]+)(?:\.([^/?]+))?(/[^?]*)?(\?.*)?")
HOP_BY_HOP = {
    "connection",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
}
REQUEST_ONLY = {"host", "content-length", "expect"}  # told anew to the replica


class Problem(Exception):
    """The request is answered by the provider itself, with this status and text."""

    def __init__(self, status: HTTPStatus, detail: str) -> None:
        super().__init__(detail)
        self.status = status


class Proxy:
    """Bounds what is in flight, and forwards it."""

    def __init__(self, functions: Functions, host: Host) -> None:
        self._functions = functions
        self._session = host.session
        self._wait_seconds = host.settings.wait_seconds
        self._in_flight = 0
        self._held_bytes = 0

    async def invoke(self, request: web.Request) -> web.StreamResponse:
        """Answer ANY /function/NAME[.NAMESPACE][/path][?query]."""
        call_id = request.headers.get("X-Call-Id") or str(uuid.uuid4())
        try:
            held_bytes = self._room_for(request)
        except Problem as problem:
            return answer(request, problem, call_id)
        self._in_flight += 1
        self._held_bytes += held_bytes
        try:
            return await self._forward(request, call_id)
        except Problem as problem:
            return answer(request, problem, call_id)
        finally:
            self._in_flight -= 1
            self._held_bytes -= held_bytes

    def _room_for(self, request: web.Request) -> int:
        """Return how many bytes the request's body may take; raise Problem if that is too much."""
        size = 0
        if request.can_read_body:
            size = MAX_BODY_BYTES if request.content_length is None else request.content_length
        check_size(size)
        if self._in_flight >= MAX_IN_FLIGHT or self._held_bytes + size > MAX_HELD_BYTES:
            raise Problem(HTTPStatus.SERVICE_UNAVAILABLE, "too many requests are in flight")
        return size

    async def _forward(self, request: web.Request, call_id: str) -> web.StreamResponse:
        function, path = self._target(request)
        function.invocations += 1
        body = await read_body(request)
        headers = forwarded_headers(request, call_id)
        deadline = time.monotonic() + self._wait_seconds
        avoid: Replica | None = None
        may_replay = True
        while True:
            replica = await function.borrow(avoid, deadline)
            if replica is None:
                detail = f"function {function.name} has no ready replica"
                raise Problem(HTTPStatus.SERVICE_UNAVAILABLE, detail)
            timeout = aiohttp.ClientTimeout(total=function.timeout_seconds)
            url = URL(replica.url + path, encoded=True)
            try:
                upstream = await self._session.request(
                    request.method,
                    url,
                    headers=headers,
                    data=body or None,
                    timeout=timeout,
                    allow_redirects=False,
                )
                whole = await upstream.read() if is_small(upstream) else None
            except TimeoutError as error:
                detail = f"function {function.name} took longer than {timeout.total:g} s"
                raise Problem(HTTPStatus.GATEWAY_TIMEOUT, detail) from error
            except aiohttp.ClientConnectorError:
                replica.is_ready = False  # nothing was sent; its next probe tells more
            except (aiohttp.ClientConnectionError, aiohttp.ClientPayloadError) as error:
                if not may_replay:
                    detail = f"function {function.name} broke off: {error}"
                    raise Problem(HTTPStatus.BAD_GATEWAY, detail) from error
                may_replay = False
                logger.warning("request replayed", extra={"replica": replica.name})
            else:
                return await relay(request, upstream, whole, call_id)
            finally:
                replica.give_back()
            avoid = replica

    def _target(self, request: web.Request) -> tuple[Function, str]:
        """Return the function, and the path and query that are left for it."""
        match = TARGET.fullmatch(request.raw_path)
        if match is None or (match[2] or NAMESPACE) != NAMESPACE:
            raise Problem(HTTPStatus.NOT_FOUND, f"{request.path} names no function")
        try:
            function = self._functions.find(match[1])
        except Refused as error:
            raise Problem(HTTPStatus.NOT_FOUND, str(error)) from error
        return function, (match[3] or "/") + (match[4] or "")


def check_size(size: int) -> None:
    if size > MAX_BODY_BYTES:
        detail = f"body is {size} bytes; the limit is {MAX_BODY_BYTES} bytes"
        raise Problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, detail)


async def read_body(request: web.Request) -> bytes:
    pieces, size = [], 0
    async for piece in request.content.iter_any():
        size += len(piece)
        check_size(size)
        pieces.append(piece)
    return b"".join(pieces)


def end_to_end(headers: CIMultiDictProxy[str]) -> CIMultiDict[str]:
    """Return the headers without those that are about one connection only."""
    named = {name.strip().lower() for name in headers.get("Connection", "").split(",")}
    dropped = HOP_BY_HOP | named
    return CIMultiDict((key, value) for key, value in headers.items() if key.lower() not in dropped)


def forwarded_headers(request: web.Request, call_id: str) -> CIMultiDict[str]:
    headers = end_to_end(request.headers)
    headers.setdefault("X-Forwarded-Host", request.headers.get("Host", ""))
    senders = [*headers.popall("X-Forwarded-For", []), request.remote or "unknown"]
    headers["X-Forwarded-For"] = ", ".join(senders)
    headers["X-Call-Id"] = call_id
    for name in REQUEST_ONLY:
        headers.popall(name, None)
    return headers


def is_small(upstream: aiohttp.ClientResponse) -> bool:
    length = upstream.content_length
    return length is not None and length <= MAX_WHOLE_ANSWER_BYTES


async def relay(
    request: web.Request, upstream: aiohttp.ClientResponse, whole: bytes | None, call_id: str
) -> web.StreamResponse:
    """Give the caller the replica's answer: at once, or piece by piece."""
    headers = end_to_end(upstream.headers)
    headers["X-Call-Id"] = call_id
    status, reason = upstream.status, upstream.reason
    if whole:
        headers.popall("Content-Length", None)
        return web.Response(status=status, reason=reason, headers=headers, body=whole)
    response = web.StreamResponse(status=status, reason=reason, headers=headers)
    await response.prepare(request)
    try:
        async for piece in upstream.content.iter_any():
            await response.write(piece)
    except (aiohttp.ClientPayloadError, TimeoutError) as error:
        logger.warning("answer broken off", extra={"url": str(upstream.url), "reason": str(error)})
        if request.transport:
            request.transport.abort()  # so that the caller does not take it for the whole
    finally:
        upstream.close()
    return response


def answer(request: web.Request, problem: Problem, call_id: str) -> web.Response:
    status = problem.status
    body = {"type": "about:blank", "title": status.phrase, "status": status, "detail": str(problem)}
    parts = request.headers.get("traceparent", "").split("-")
    if len(parts) == 4:
        body["traceId"] = parts[1]
    headers = {"X-Call-Id": call_id}
    if status == HTTPStatus.SERVICE_UNAVAILABLE:
        headers["Retry-After"] = "1"
    return web.Response(
        status=status,
        text=json.dumps(body),
        headers=headers,
        content_type="application/problem+json",
    )
