"""WebSockets reach a function through the gateway and the provider, within limits."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any, cast

import aiohttp
import pytest
from aiohttp import WSMsgType, web

from local.provider.functions.function import Function
from local.provider.http.call import Call
from local.provider.http.problem import Problem, answer
from local.provider.http.websocket import MAX_MESSAGE_BYTES, WebSockets
from local.provider.replicas.host import Host
from tests.gateway import Connection, Gateway, running_gateway
from tests.nowhere import uncalled
from tests.provider import PATIENCE_SECONDS, eventually

# Says every message again, with what it was asked for; "bye" ends it from this side.
ECHO = """
    import os
    from aiohttp import WSMsgType, web

    async def echo(request):
        if request.path == "/plain":
            return web.json_response({"upgrade": request.headers.get("Upgrade")})
        if request.path == "/away":
            raise web.HTTPFound(f"http://127.0.0.1:{request.query['port']}/")
        socket = web.WebSocketResponse(protocols=["words"], autoping=True)
        await socket.prepare(request)
        await socket.send_json({"path": request.path, "headers": dict(request.headers)})
        async for message in socket:
            if message.type is WSMsgType.TEXT and message.data == "bye":
                await socket.close(code=4001, message=b"as you wish")
            elif message.type is WSMsgType.TEXT:
                await socket.send_str(message.data)
            elif message.type is WSMsgType.BINARY:
                await socket.send_bytes(message.data)
        return socket

    async def health(request):
        return web.Response(text="OK")

    app = web.Application(client_max_size=2**22)
    app.router.add_get("/_/health", health)
    app.router.add_route("*", "/{path:.*}", echo)
    web.run_app(app, host="127.0.0.1", port=int(os.environ["PORT"]), print=None,
                shutdown_timeout=0.2)
"""
HANDSHAKE = (
    "Connection: Upgrade",
    "Upgrade: websocket",
    "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
)


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    folder = tmp_path_factory.mktemp("gateway")
    with running_gateway(folder, "guest") as running:
        running.provider.build("echo", "", server=ECHO)
        running.provider.deploy("echo", envProcess="python function/server.py")
        yield running


@asynccontextmanager
async def connected(url: str, **options: Any) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(url, max_msg_size=0, **options) as socket,
    ):
        yield socket


def address(gateway: Gateway, path: str = "") -> str:
    return f"http://127.0.0.1:{gateway.port}/function/echo{path}"


async def talk(gateway: Gateway) -> dict[str, Any]:
    key = {"X-Api-Key": gateway.key, "X-Custom": "kept"}
    async with connected(
        address(gateway, "/a/b?c=d"), headers=key, protocols=["other", "words"]
    ) as socket:
        hello = await socket.receive_json(timeout=PATIENCE_SECONDS)
        await socket.send_str("grüß dich")
        text = await socket.receive_str(timeout=PATIENCE_SECONDS)
        await socket.send_bytes(bytes(500_000))
        size = len(await socket.receive_bytes(timeout=PATIENCE_SECONDS))
        await socket.ping(b"there?")
        await socket.send_str("bye")
        last = await socket.receive(timeout=PATIENCE_SECONDS)
        return {
            "hello": hello,
            "text": text,
            "size": size,
            "protocol": socket.protocol,
            "end": (last.type, last.data, last.extra),
        }


def test_messages_pass_both_ways_and_so_does_the_end(gateway: Gateway) -> None:
    found = asyncio.run(talk(gateway))

    assert (found["text"], found["size"], found["protocol"]) == ("grüß dich", 500_000, "words")
    assert found["end"] == (WSMsgType.CLOSE, 4001, "as you wish")
    assert found["hello"]["path"] == "/a/b"
    headers = {name.lower(): value for name, value in found["hello"]["headers"].items()}
    assert headers["x-custom"] == "kept"
    assert headers["x-forwarded-host"] == f"127.0.0.1:{gateway.port}"
    assert "x-api-key" not in headers
    assert int(headers["x-start-time"]) > 0


def test_a_function_without_websockets_answers_as_ever(gateway: Gateway) -> None:
    plain = gateway.ask("/function/echo/plain", "GET", *HANDSHAKE)
    mirror = gateway.ask("/function/guest", "GET", *HANDSHAKE)

    assert plain.body == b'{"upgrade": null}'
    assert "upgrade" not in {name.lower() for name, _ in mirror.seen["headers"]}


def test_a_handshake_is_not_sent_where_the_function_redirects(gateway: Gateway) -> None:
    with uncalled() as (port, has_called):
        answer = gateway.ask(f"/function/echo/away?port={port}", "GET", *HANDSHAKE)

        assert answer.status == 302
        assert not has_called()


@pytest.mark.parametrize(
    ("target", "lines"),
    [
        ("/function/guest", ("Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c")),
        ("/function/guest", ("Connection: upgrade", "Upgrade: websocket")),
        ("/function/guest", ("Connection: upgrade", "Upgrade: other, websocket")),
    ],
)
def test_no_other_upgrade_is_passed_on(
    gateway: Gateway, target: str, lines: tuple[str, ...]
) -> None:
    seen = gateway.ask(target, "GET", *lines).seen

    assert "upgrade" not in {name.lower() for name, _ in seen["headers"]}


def test_what_follows_a_handshake_is_no_second_request(gateway: Gateway) -> None:
    connection = Connection(gateway.provider.port)
    try:
        head = "\r\n".join(["GET /function/guest HTTP/1.1", "Host: a", *HANDSHAKE])
        connection.send(head.encode() + b"\r\n\r\nGET /healthz HTTP/1.1\r\nHost: a\r\n\r\n")
        first = connection.read()
        rest = connection.rest() if first.headers.get("connection") == "close" else b""
    finally:
        connection.close()

    assert first.status == 200
    assert b"HTTP/1.1 101" not in rest


def test_a_function_that_leaves_takes_its_websockets_along(gateway: Gateway) -> None:
    provider = gateway.provider
    provider.build("leaving", "", server=ECHO)
    provider.deploy(
        "leaving", envProcess="python function/server.py", envVars={"exec_timeout": "100ms"}
    )

    async def leave() -> aiohttp.WSMessage:
        async with connected(f"{provider.url}/function/leaving") as socket:
            await socket.receive_json(timeout=PATIENCE_SECONDS)
            provider.system("DELETE", "/functions", {"functionName": "leaving"})
            return await socket.receive(timeout=PATIENCE_SECONDS)

    assert asyncio.run(leave()).type in (WSMsgType.CLOSE, WSMsgType.CLOSED)
    eventually(lambda: not provider.replicas("leaving"))


class _Door:
    """The provider's WebSockets alone, before an echo of the test's own."""

    def __init__(self, **limits: Any) -> None:
        self._limits = limits
        self.in_flight = 0

    async def __aenter__(self) -> _Door:
        self._session = aiohttp.ClientSession()
        self.stopping = asyncio.Event()
        secrets = SimpleNamespace(authorization=lambda: "Basic of-system")
        host = SimpleNamespace(session=self._session, stopping=self.stopping, secrets=secrets)
        self._sockets = WebSockets(cast(Host, host), self._borrow, **self._limits)
        self._inner = await self._serve(self._echo)
        self._outer = await self._serve(self._relay)
        self.url = self._address(self._outer)
        return self

    async def __aexit__(self, *error: object) -> None:
        await self._session.close()
        for runner in (self._outer, self._inner):
            await runner.cleanup()

    async def _serve(self, handler: Any) -> web.AppRunner:
        app = web.Application()
        app.router.add_get("/{path:.*}", handler)
        runner = web.AppRunner(app, shutdown_timeout=1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        return runner

    @staticmethod
    def _address(runner: web.AppRunner) -> str:
        return f"http://127.0.0.1:{runner.addresses[0][1]}"

    async def _borrow(self, *asked: object) -> Any:
        self.in_flight += 1
        return SimpleNamespace(url=self._address(self._inner), give_back=self._give_back)

    def _give_back(self) -> None:
        self.in_flight -= 1

    async def _relay(self, request: web.Request) -> web.StreamResponse:
        function = SimpleNamespace(name="any", patience_seconds=1.0, invocations=0)
        call = Call(b"GET", b"/", request.raw_headers, "test", "call-1", time.perf_counter())
        try:
            done = await self._sockets.relay(request, cast(Function, function), call)
        except Problem as problem:
            return answer(request, problem, "call-1")
        return done or web.Response(text="no WebSocket")

    async def _echo(self, request: web.Request) -> web.StreamResponse:
        socket = web.WebSocketResponse(max_msg_size=0)
        await socket.prepare(request)
        async for message in socket:
            await socket.send_str(str(message.data))
        return socket


def test_one_that_is_idle_is_closed() -> None:
    async def idle() -> tuple[aiohttp.WSMessage, int]:
        async with _Door(idle_seconds=0.3) as door, connected(door.url) as socket:
            last = await socket.receive(timeout=PATIENCE_SECONDS)
            deadline = time.monotonic() + PATIENCE_SECONDS
            while door.in_flight and time.monotonic() < deadline:
                await asyncio.sleep(0.01)
            return last, door.in_flight

    last, in_flight = asyncio.run(idle())

    assert (last.type, last.data) == (WSMsgType.CLOSE, 1001)
    assert in_flight == 0


def test_there_are_so_many_and_no_more() -> None:
    async def many() -> tuple[int, str]:
        async with _Door(most=1) as door, connected(door.url) as socket:
            await socket.send_str("first")
            await socket.receive_str(timeout=PATIENCE_SECONDS)
            with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
                async with connected(door.url):
                    pass
            await socket.send_str("still there")
            return refused.value.status, await socket.receive_str(timeout=PATIENCE_SECONDS)

    assert asyncio.run(many()) == (503, "still there")


def test_a_message_that_is_too_large_ends_it() -> None:
    async def large() -> aiohttp.WSMessage:
        async with _Door() as door, connected(door.url) as socket:
            await socket.send_str("x" * (MAX_MESSAGE_BYTES + 1))
            return await socket.receive(timeout=PATIENCE_SECONDS)

    last = asyncio.run(large())

    assert (last.type, last.data) == (WSMsgType.CLOSE, 1009)


def test_a_provider_that_stops_ends_all() -> None:
    async def stop() -> aiohttp.WSMessage:
        async with _Door() as door, connected(door.url) as socket:
            await socket.send_str("there")
            await socket.receive_str(timeout=PATIENCE_SECONDS)
            door.stopping.set()
            return await socket.receive(timeout=PATIENCE_SECONDS)

    last = asyncio.run(stop())

    assert (last.type, last.data) == (WSMsgType.CLOSE, 1001)
