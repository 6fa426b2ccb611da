"""WebSockets pass through the watchdog's mode http."""

from __future__ import annotations

import asyncio
import textwrap
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import pytest

from tests.nowhere import uncalled
from tests.provider import eventually
from tests.watchdog import Watchdog, serving

SERVER = """
    from aiohttp import web

    async def talk(request):
        if request.path == "/no":
            return web.Response(status=403)
        if request.path == "/away":
            raise web.HTTPFound(f"http://127.0.0.1:{request.query['port']}/")
        socket = web.WebSocketResponse(protocols=["second"])
        await socket.prepare(request)
        async for message in socket:
            if message.data == "end":
                await socket.close(code=4001)
            elif isinstance(message.data, bytes):
                await socket.send_bytes(message.data[::-1])
            else:
                told = (message.data, request.headers["X-My"], request.query_string)
                await socket.send_str(" ".join(told))
        print("closed with", socket.close_code, flush=True)
        return socket

    app = web.Application()
    app.router.add_get("/{path:.*}", talk)
    web.run_app(app, host="0.0.0.0", port=5000)
"""


@pytest.fixture(scope="module")
def watchdog(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watchdog]:
    folder = tmp_path_factory.mktemp("watchdog")
    path: Path = folder / "server.py"
    path.write_text(textwrap.dedent(SERVER))
    with serving(folder, "http", "python", str(path)) as one:
        yield one


async def converse(url: str) -> list[object]:
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(url, protocols=["first", "second"], headers={"X-My": "own"}) as socket,
    ):
        await socket.send_str("hello")
        text = await socket.receive_str()
        await socket.send_bytes(bytes(range(256)) * 1000)
        reversed_bytes = await socket.receive_bytes()
        await socket.send_str("end")
        end = await socket.receive()
        return [socket.protocol, text, reversed_bytes[::-1] == bytes(range(256)) * 1000, end.data]


async def leave(url: str) -> None:
    async with aiohttp.ClientSession() as session, session.ws_connect(url) as socket:
        await socket.close(code=4002)


async def refused(url: str) -> int:
    async with aiohttp.ClientSession() as session:
        with pytest.raises(aiohttp.WSServerHandshakeError) as error:
            await session.ws_connect(url)
        return error.value.status


def test_messages_of_both_kinds_pass_both_ways_until_the_function_closes(
    watchdog: Watchdog,
) -> None:
    seen = asyncio.run(converse(watchdog.url + "/a?b=c"))

    assert seen == ["second", "hello own b=c", True, 4001]


def test_function_is_told_how_its_caller_closed(watchdog: Watchdog) -> None:
    asyncio.run(leave(watchdog.url + "/a"))

    eventually(lambda: "closed with 4002" in watchdog.log)


def test_refusal_of_the_function_is_the_answer(watchdog: Watchdog) -> None:
    assert asyncio.run(refused(watchdog.url + "/no")) == 403


def test_redirection_is_not_followed(watchdog: Watchdog) -> None:
    with uncalled() as (port, has_called):
        assert asyncio.run(refused(f"{watchdog.url}/away?port={port}")) == 302
        assert not has_called()
