"""Connections to replicas: what they answer, whole or in pieces, and what breaks off."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from typing import Any, TypeVar

import pytest

from local.provider.replicas import connection as module
from local.provider.replicas.connection import (
    MAX_HEAD_BYTES,
    MAX_QUEUED_BYTES,
    MAX_WHOLE_BYTES,
    Answer,
    BrokenOff,
    Connection,
    Connections,
    NotConnected,
    WasIdle,
    head_of,
)

GET = head_of(b"GET", b"/", [(b"Host", b"a")])
OK = b"HTTP/1.1 200 OK\r\n"
TWO = OK + b"Content-Length: 2\r\n\r\nok"
PATIENCE_SECONDS = 60.0

Result = TypeVar("Result")


def run(test: Coroutine[Any, Any, Result]) -> Result:
    return asyncio.run(asyncio.wait_for(test, PATIENCE_SECONDS))


@asynccontextmanager
async def listener(
    serve: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Coroutine[Any, Any, None]],
) -> AsyncIterator[Connections]:
    """Listen as a replica does; no connection is left when it ends."""
    served: set[asyncio.Task[None]] = set()

    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task
        served.add(task)
        try:
            await serve(reader, writer)
        finally:
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()

    server = await asyncio.start_server(take, "127.0.0.1", 0)
    connections = Watched("127.0.0.1", server.sockets[0].getsockname()[1])
    try:
        yield connections
    finally:
        connections.close()
        for connection in connections.opened:
            connection.close()
        await until(lambda: all(each._is_closed for each in connections.opened))
        server.close()
        await asyncio.gather(*served, return_exceptions=True)


class Watched(Connections):
    """Remembers what was opened."""

    def __init__(self, address: str, port: int) -> None:
        super().__init__(address, port)
        self.opened: list[Connection] = []

    async def open(self) -> Connection:
        self.opened.append(await super().open())
        return self.opened[-1]


@asynccontextmanager
async def replica(*answers: bytes, is_last: bool = False) -> AsyncIterator[Connections]:
    """Give these answers, one to each request, to each connection anew."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for answer in answers:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(answer)
            await writer.drain()
        if not is_last:
            await reader.read()

    async with listener(serve) as connections:
        yield connections


async def ask(connections: Connections, is_head: bool = False) -> tuple[Answer, Connection]:
    connection = connections.take() or await connections.open()
    return await connection.send(GET, b"", is_head), connection


async def until(look: Callable[[], bool]) -> None:
    while not look():
        await asyncio.sleep(0.005)


@pytest.mark.parametrize(
    ("given", "status", "body"),
    [
        (TWO, 200, b"ok"),
        (OK + b"content-length:0\r\n\r\n", 200, b""),
        (b"HTTP/1.1 100 Continue\r\nX-A: 1\r\n\r\n" + TWO, 200, b"ok"),
        (b"HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n", 204, b""),
        (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n", 304, b""),
        (b"HTTP/1.1 404 \r\nContent-Length: 1\r\n\r\n.", 404, b"."),
    ],
)
def test_an_answer_of_known_length_comes_whole(given: bytes, status: int, body: bytes) -> None:
    async def test() -> tuple[Answer, bool]:
        async with replica(given) as connections:
            answer, connection = await ask(connections)
            connection.release()
            return answer, connections.take() is connection

    answer, is_kept = run(test())
    assert (answer.status, answer.body, answer.is_whole) == (status, body, True)
    assert is_kept


def test_an_answer_to_head_has_a_length_and_no_body() -> None:
    async def test() -> tuple[Answer, Answer]:
        async with replica(OK + b"Content-Length: 70000\r\n\r\n", TWO) as connections:
            first, connection = await ask(connections, is_head=True)
            connection.release()
            return first, (await ask(connections))[0]

    first, second = run(test())
    assert (first.body, first.headers) == (b"", [(b"Content-Length", b"70000")])
    assert second.body == b"ok"


LARGE = MAX_WHOLE_BYTES + 1


@pytest.mark.parametrize(
    ("given", "length", "is_kept"),
    [
        (OK + b"Content-Length: %d\r\n\r\n" % LARGE + b"x" * LARGE, LARGE, True),
        (OK + b"Transfer-Encoding: chunked\r\n\r\n3\r\nxxx\r\n2\r\nxx\r\n0\r\n\r\n", 5, True),
        (OK + b"\r\nxxxx", 4, False),  # as long as the connection
    ],
)
def test_others_come_in_pieces(given: bytes, length: int, is_kept: bool) -> None:
    async def test() -> tuple[Answer, bytes, bool]:
        async with replica(given, is_last=not is_kept) as connections:
            answer, connection = await ask(connections)
            body = b"".join([piece async for piece in connection.pieces()])
            connection.release()
            return answer, body, connections.take() is connection

    answer, body, was_kept = run(test())
    assert not answer.is_whole
    assert (body, was_kept) == (b"x" * length, is_kept)


def test_pieces_that_nobody_takes_are_not_read() -> None:
    size = 64 * MAX_QUEUED_BYTES

    async def test() -> tuple[int, int]:
        async with replica(OK + b"Content-Length: %d\r\n\r\n" % size + b"x" * size) as connections:
            _, connection = await ask(connections)
            await until(lambda: not connection._transport.is_reading())
            held = connection._queued_bytes
            rest = sum([len(piece) async for piece in connection.pieces()])
            return held, rest

    held, rest = run(test())
    assert held < 4 * MAX_QUEUED_BYTES
    assert rest == size


@pytest.mark.parametrize(
    ("given", "why"),
    [
        (b"hello\r\n\r\n", "no HTTP"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", "no HTTP"),
        (b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n", "no HTTP"),
        (OK + b"X-A: " + b"a" * MAX_HEAD_BYTES * 8, f"more than {MAX_HEAD_BYTES} bytes"),
        (OK + b"Content-Length: 3\r\n\r\nok", "was closed"),
        (OK + b"Content-L", "was closed"),
        (b"", "was closed"),
    ],
)
def test_what_is_no_whole_answer_breaks_off(given: bytes, why: str) -> None:
    async def test() -> None:
        async with replica(given, is_last=True) as connections:
            await ask(connections)

    with pytest.raises(BrokenOff, match=why) as caught:
        run(test())
    assert not isinstance(caught.value, WasIdle)


@pytest.mark.parametrize("given", [b"5\r\nab", b"nochunk\r\n"])
def test_pieces_break_off_where_the_replica_does(given: bytes) -> None:
    async def test() -> None:
        chunked = OK + b"Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n" + given
        async with replica(chunked, is_last=True) as connections:
            _, connection = await ask(connections)
            _ = [piece async for piece in connection.pieces()]

    with pytest.raises(BrokenOff):
        run(test())


def test_a_trailer_is_no_header() -> None:
    async def test() -> Answer:
        chunks = b"Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nSet-Cookie: a\r\n\r\n"
        async with replica(OK + chunks) as connections:
            answer, connection = await ask(connections)
            assert [piece async for piece in connection.pieces()] == [b"ok"]
            return answer

    assert run(test()).headers == [(b"Transfer-Encoding", b"chunked")]


def test_a_connection_whose_request_is_not_sent_to_its_end_is_not_used_again() -> None:
    async def test() -> tuple[int, Connection | None]:
        early = b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n"
        async with replica(early) as connections:
            connection = await connections.open()
            answer = await connection.send(GET, b"x" * 50_000_000, False)
            connection.release()
            return answer.status, connections.take()

    assert run(test()) == (413, None)


@pytest.mark.parametrize(
    "given",
    [
        TWO + b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil",
        TWO + b"x",
        OK + b"Content-Length: 2\r\nConnection: close\r\n\r\nok",
        OK + b"Content-Length: 2\r\nConnection: close\r\n\r\nokx",
        b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
    ],
)
def test_a_connection_with_more_than_its_answer_is_not_used_again(given: bytes) -> None:
    async def test() -> tuple[bytes, Connection | None]:
        async with replica(given) as connections:
            answer, connection = await ask(connections)
            connection.release()
            return answer.body, connections.take()

    assert run(test()) == (b"ok", None)


def test_what_comes_unasked_ends_an_idle_connection() -> None:
    async def test() -> Connection | None:
        arrived = asyncio.Event()

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(TWO)
            await arrived.wait()
            writer.write(TWO)
            await reader.read()

        async with listener(serve) as connections:
            _, connection = await ask(connections)
            connection.release()
            arrived.set()
            await until(lambda: connection._is_closed)
            return connections.take()

    assert run(test()) is None


def test_a_connection_that_was_idle_too_long_is_told_from_a_broken_one() -> None:
    async def test() -> None:
        async with replica(TWO, b"", is_last=True) as connections:
            _, connection = await ask(connections)
            connection.release()
            await ask(connections)

    with pytest.raises(WasIdle):
        run(test())


def test_nobody_listens() -> None:
    async def test() -> None:
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            await Connections("127.0.0.1", taken.getsockname()[1]).open()

    with pytest.raises(NotConnected):
        run(test())


def test_idle_connections_are_closed_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "KEEPALIVE_SECONDS", 0.05)

    async def test() -> Connection | None:
        async with replica(TWO) as connections:
            _, connection = await ask(connections)
            connection.release()
            await until(lambda: connection._is_closed)
            return connections.take()

    assert run(test()) is None


def test_a_replica_that_has_ended_keeps_no_connection() -> None:
    async def test() -> Connection | None:
        async with replica(TWO) as connections:
            _, connection = await ask(connections)
            connections.close()
            connection.release()
            return connections.take()

    assert run(test()) is None


def test_an_answer_that_nobody_wants_is_not_read_to_its_end() -> None:
    async def test() -> Connection | None:
        async with replica(OK + b"Content-Length: %d\r\n\r\n" % LARGE) as connections:
            _, connection = await ask(connections)
            connection.release()
            await until(lambda: connection._is_closed)
            return connections.take()

    assert run(test()) is None
