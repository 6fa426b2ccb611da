"""Clients that begin and do not go on are given up; how many there may be is bounded."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

import pytest
from aiohttp import web

from local.provider.http.bodies import Bodies
from local.provider.http.problem import Problem, answer
from local.provider.http.server import Runner

SOON_SECONDS = 0.2
PATIENCE_SECONDS = 20.0


@asynccontextmanager
async def server(bodies: Bodies, most_connections: int = 100) -> AsyncIterator[int]:
    async def read(request: web.Request) -> web.Response:
        try:
            body = await bodies.read(request, 1000)
        except Problem as problem:
            return answer(request, problem, "call")
        bodies.give_back(len(body))
        return web.Response(text=str(len(body)))

    app = web.Application()
    app.router.add_route("*", "/", read)
    runner = Runner(app, most_connections, SOON_SECONDS)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


def run(test: Callable[[int], Awaitable[bytes]], **bounds: float) -> tuple[bytes, Bodies]:
    """Run a client against a server, and return what it got."""
    bodies = Bodies(
        1, int(bounds.get("held", 10_000)), bounds.get("idle", 60.0), bounds.get("whole", 60.0)
    )

    async def whole() -> bytes:
        async with server(bodies, int(bounds.get("connections", 100))) as port:
            return await asyncio.wait_for(test(port), PATIENCE_SECONDS)

    return asyncio.run(whole()), bodies


@asynccontextmanager
async def connection(
    port: int,
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        yield reader, writer
    finally:
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()


async def sent(port: int, data: bytes) -> bytes:
    """Send bytes, then nothing, and read until the server ends the connection."""
    async with connection(port) as (reader, writer):
        writer.write(data)
        return await reader.read()


@pytest.mark.parametrize(
    "data",
    [b"G", b"GET / HTTP/1.1\r\nHost: a\r\nX-A", b"\r\n", b"GET / HTTP/1.1\r\nX: " + b"a" * 9000],
)
def test_a_request_whose_headers_do_not_end_is_given_up(data: bytes) -> None:
    got, _ = run(lambda port: sent(port, data))

    assert got == b""


def test_so_is_one_behind_another() -> None:
    async def two(port: int) -> bytes:
        async with connection(port) as (reader, writer):
            writer.write(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            first = await reader.readuntil(b"\r\n\r\n")
            writer.write(b"GET / HTTP/1.1\r\n")
            return first + await reader.read()

    got, _ = run(two)

    assert got.count(b"HTTP/1.1 200") == 1


HEAD = b"POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 900\r\n\r\n"


async def stopped(port: int) -> bytes:
    """Send half a body and no more."""
    async with connection(port) as (reader, writer):
        writer.write(HEAD + bytes(450))
        return await reader.readuntil(b"}")


async def trickling(port: int) -> bytes:
    """Send a body byte by byte until there is an answer."""
    async with connection(port) as (reader, writer):
        writer.write(HEAD)
        answered = asyncio.create_task(reader.readuntil(b"}"))
        while not answered.done():
            writer.write(b"x")
            await asyncio.wait([answered], timeout=SOON_SECONDS / 20)
        return await answered


@pytest.mark.parametrize(("bound", "client"), [("idle", stopped), ("whole", trickling)])
def test_a_body_that_does_not_end_is_given_up_and_counted_no_longer(
    bound: str, client: Callable[[int], Awaitable[bytes]]
) -> None:
    got, bodies = run(client, **{bound: SOON_SECONDS})

    assert b" 408 " in got
    assert b"application/problem+json" in got
    assert bodies.held_bytes == 0


def test_bodies_share_one_budget() -> None:
    async def both(port: int) -> bytes:
        async with connection(port) as (one, first), connection(port) as (two, second):
            first.write(HEAD + bytes(700))
            second.write(HEAD + bytes(700))
            return await answer_of_either(one, two)

    got, bodies = run(both, held=1000)

    assert b" 503 " in got
    assert b"too many bodies are in memory" in got
    assert bodies.held_bytes == 0


async def answer_of_either(*readers: asyncio.StreamReader) -> bytes:
    tasks = [asyncio.create_task(reader.readuntil(b"}")) for reader in readers]
    done, waiting = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in waiting:
        task.cancel()
    return done.pop().result()


def test_a_connection_too_many_is_told_so() -> None:
    async def three(port: int) -> bytes:
        async with connection(port), connection(port):
            return await sent(port, b"")

    got, _ = run(three, connections=2)

    head, _, body = got.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 503 ")
    assert f"Content-Length: {len(body)}".encode() in head
    assert json.loads(body)["type"] == "urn:image-pipeline:problem:unavailable"
    assert b"as many connections as there may be" in body
