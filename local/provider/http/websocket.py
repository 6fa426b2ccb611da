"""WebSockets between a caller and a replica: so many at a time, and none that is idle for long."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable
from http import HTTPStatus

import aiohttp
from aiohttp import WSCloseCode, WSMsgType, web
from multidict import CIMultiDict
from yarl import URL

from local.provider.functions.function import Function
from local.provider.http.call import Call, as_text
from local.provider.http.problem import Problem
from local.provider.replicas.host import Host
from local.provider.replicas.replica import Replica

logger = logging.getLogger(__name__)

MAX_WEBSOCKETS = 256
MAX_MESSAGE_BYTES = 1_048_576
IDLE_SECONDS = 60.0  # without a message or ping, from either side
HANDSHAKE_SECONDS = 10.0
CLOSE_SECONDS = 2.0
# Made anew for each of the two connections. Nothing is packed: what is counted is what is held.
HANDSHAKE = (
    "Host",
    "Sec-WebSocket-Key",
    "Sec-WebSocket-Version",
    "Sec-WebSocket-Extensions",
    "Sec-WebSocket-Protocol",
    "Content-Length",
)

Borrow = Callable[[Function, Replica | None, float], Awaitable[Replica]]
Socket = web.WebSocketResponse | aiohttp.ClientWebSocketResponse


class WebSockets:
    """Bounds how many there are, and carries messages both ways."""

    def __init__(
        self,
        host: Host,
        borrow: Borrow,
        most: int = MAX_WEBSOCKETS,
        idle_seconds: float = IDLE_SECONDS,
    ) -> None:
        self._borrow = borrow
        self._session = host.session
        self._stopping = host.stopping
        self._login = host.secrets.authorization().encode()
        self._most = most
        self._idle_seconds = idle_seconds
        self._open = 0

    async def relay(
        self, request: web.Request, function: Function, call: Call
    ) -> web.StreamResponse | None:
        """Carry messages until one side ends; None for a request, or a function, without any.

        Raises:
            Problem: there are as many as there may be, or no replica takes it.
        """
        if not is_asked_for(request):
            return None
        if self._open >= self._most:
            detail = f"{self._most} WebSockets are open, as many as there may be"
            raise Problem(HTTPStatus.SERVICE_UNAVAILABLE, detail)
        self._open += 1
        replica: Replica | None = None
        try:
            replica = await self._borrow(
                function, None, time.monotonic() + function.patience_seconds
            )
            inner = await self._connect(request, replica, call)
            return None if inner is None else await self._carry(request, inner, function)
        finally:
            self._open -= 1
            if replica:
                replica.give_back()

    async def _connect(
        self, request: web.Request, replica: Replica, call: Call
    ) -> aiohttp.ClientWebSocketResponse | None:
        told = call.request_headers(b"", self._login)
        headers = CIMultiDict((name.decode(), as_text(value)) for name, value in told)
        for name in HANDSHAKE:
            headers.popall(name, None)
        connecting = self._session.ws_connect(
            URL(replica.url + call.target.decode(), encoded=True),
            headers=headers,
            protocols=protocols_of(request),
            autoping=False,
            max_msg_size=MAX_MESSAGE_BYTES,
        )
        try:
            return await asyncio.wait_for(connecting, HANDSHAKE_SECONDS)
        except aiohttp.WSServerHandshakeError:
            return None  # it answers as to any other request
        except (aiohttp.ClientError, TimeoutError) as error:
            replica.doubt()
            detail = f"the function broke off the WebSocket: {type(error).__name__}"
            raise Problem(HTTPStatus.BAD_GATEWAY, detail) from error

    async def _carry(
        self, request: web.Request, inner: aiohttp.ClientWebSocketResponse, function: Function
    ) -> web.WebSocketResponse:
        function.invocations += 1
        chosen = (inner.protocol,) if inner.protocol else ()
        outer = web.WebSocketResponse(
            protocols=chosen, autoping=False, compress=False, max_msg_size=MAX_MESSAGE_BYTES
        )
        try:
            await outer.prepare(request)
            life = Life(self._idle_seconds)
            tasks = [
                asyncio.create_task(carry(outer, inner, life)),
                asyncio.create_task(carry(inner, outer, life)),
                asyncio.create_task(life.end()),
                asyncio.create_task(self._stopping.wait()),
            ]
            try:
                await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
        finally:
            for each in (outer, inner):
                await close(each, WSCloseCode.GOING_AWAY, b"")
        outer.force_close()
        return outer


class Life:
    """How long ago something came from either side."""

    def __init__(self, idle_seconds: float) -> None:
        self._idle_seconds = idle_seconds
        self.seen_at = time.monotonic()

    async def end(self) -> None:
        """Wait until nothing has come for so long."""
        while (left := self.seen_at + self._idle_seconds - time.monotonic()) > 0:
            await asyncio.sleep(left)


async def carry(source: Socket, sink: Socket, life: Life) -> None:
    """Hand on what comes until the source ends, and its end as well."""
    said = ""
    with contextlib.suppress(ConnectionError, aiohttp.ClientError):
        while True:
            message = await source.receive()
            life.seen_at = time.monotonic()
            if message.type is WSMsgType.TEXT:
                await sink.send_str(message.data)
            elif message.type is WSMsgType.BINARY:
                await sink.send_bytes(message.data)
            elif message.type is WSMsgType.PING:
                await sink.ping(message.data)
            elif message.type is WSMsgType.PONG:
                await sink.pong(message.data)
            else:
                said = str(message.extra or "") if message.type is WSMsgType.CLOSE else ""
                break
    code = source.close_code
    # What no side may say of itself is only noted: 1005 no code, 1006 broken off.
    code = code if code and code not in (1005, 1006) else WSCloseCode.GOING_AWAY
    await close(sink, code, said.encode()[:123])


async def close(socket: Socket, code: int, reason: bytes) -> None:
    if not socket.closed:
        with contextlib.suppress(ConnectionError, TimeoutError, aiohttp.ClientError):
            await asyncio.wait_for(socket.close(code=code, message=reason), CLOSE_SECONDS)


def is_asked_for(request: web.Request) -> bool:
    """Tell whether a request is the beginning of a WebSocket (RFC 6455)."""
    headers = request.headers
    return (
        request.method == "GET"
        and headers.get("Upgrade", "").lower() == "websocket"
        and "upgrade" in headers.get("Connection", "").lower()
        and headers.get("Sec-WebSocket-Version") == "13"
        and "Sec-WebSocket-Key" in headers
        and not request.can_read_body
    )


def protocols_of(request: web.Request) -> list[str]:
    said = ",".join(request.headers.getall("Sec-WebSocket-Protocol", []))
    return [name.strip() for name in said.split(",") if name.strip()]
