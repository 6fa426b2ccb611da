"""Connections that begin plain: one answer to each request, in order, whichever way it goes."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from http import HTTPStatus
from typing import Any, cast

import pytest
from aiohttp import web

from local.provider.functions.durations import Invocations
from local.provider.http import fast_path
from local.provider.http.bodies import Bodies
from local.provider.http.call import Call
from local.provider.http.fast_path import FastPath
from local.provider.http.problem import Problem
from local.provider.http.proxy import Incomplete, Proxy, Tell
from local.provider.http.server import FULL, Begun, Runner, Server
from local.provider.replicas.connection import Answer, Connection

PATIENCE_SECONDS = 60.0
MOST_BYTES = 1000
HOST = b"Host: a\r\n"


class Function:
    """Counts as a deployed function does."""

    def __init__(self) -> None:
        self.answered = Invocations()

    @property
    def statuses(self) -> list[int]:
        return sorted(self.answered.by_code)


class Pieces:
    """The rest of an answer, from a connection of which nothing else is used."""

    def __init__(self, *pieces: bytes, error: Exception | None = None) -> None:
        self._pieces = pieces
        self._error = error
        self.taken = 0

    async def pieces(self) -> AsyncIterator[bytes]:
        for piece in self._pieces:
            self.taken += 1
            yield piece
        if self._error:
            raise self._error


class StubProxy:
    """Answers each call as `answer` does; says what was asked."""

    def __init__(self) -> None:
        self.function = Function()
        self.calls: list[Call] = []
        self.in_flight = 0
        self.begun: Callable[[], set[Begun]] = set
        self.gate = asyncio.Event()
        self.gate.set()
        self.answer: Callable[[Call, Tell[Any]], Awaitable[Any]] = self.echo

    def find(self, target: str) -> tuple[Function, bytes]:
        if not target.startswith("/function/echo"):
            raise Problem(HTTPStatus.NOT_FOUND, "no such function")
        return self.function, target.removeprefix("/function/echo").encode() or b"/"

    def enter(self) -> None:
        self.in_flight += 1

    def leave(self) -> None:
        self.in_flight -= 1

    async def forward(self, function: object, call: Call, tell: Tell[Any]) -> Any:
        self.calls.append(call)
        await self.gate.wait()
        return await self.answer(call, tell)

    async def echo(self, call: Call, tell: Tell[Any]) -> Any:
        answer = Answer(200, b"OK", [(b"Content-Length", b"0")])
        answer.body, answer.is_whole = call.target + b" " + call.body, True
        return await tell(call, answer, cast(Connection, None))


class Caller:
    """A connection of a caller."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def head(self) -> bytes:
        return await self.reader.readuntil(b"\r\n\r\n")

    async def answer(self) -> tuple[int, bytes]:
        head = (await self.head()).lower()
        length = int(head.partition(b"content-length: ")[2].split(b"\r\n")[0])
        return int(head.split()[1]), await self.reader.readexactly(length)

    async def end(self) -> bytes:
        with suppress(ConnectionError):
            return await self.reader.read()
        return b""


@asynccontextmanager
async def server(bodies: Bodies, most: int = 100) -> AsyncIterator[tuple[StubProxy, int, Runner]]:
    proxy = StubProxy()

    async def general(request: web.Request) -> web.Response:
        return web.Response(text=f"general {request.raw_path} {len(await request.read())}")

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", general)
    runner = Runner(
        app, most, 0.3, first=lambda server: FastPath(server, cast(Proxy, proxy), bodies)
    )
    await runner.setup()
    proxy.begun = lambda: cast(Server, runner.server).begun
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield proxy, runner.addresses[0][1], runner
    finally:
        await runner.cleanup()


@asynccontextmanager
async def caller(port: int) -> AsyncIterator[Caller]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        yield Caller(reader, writer)
    finally:
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()


def run(
    test: Callable[[StubProxy, Caller], Coroutine[Any, Any, None]], **bounds: float
) -> StubProxy:
    """Run a caller against a server; nothing may be counted as held or in flight after it."""

    async def whole() -> StubProxy:
        bodies = Bodies(MOST_BYTES, int(bounds.get("held", 10_000)), bounds.get("idle", 60.0), 60.0)
        async with server(bodies) as (proxy, port, _), caller(port) as one:
            await test(proxy, one)
        assert (bodies.held_bytes, proxy.in_flight) == (0, 0)
        return proxy

    return asyncio.run(asyncio.wait_for(whole(), PATIENCE_SECONDS))


def post(path: bytes, body: bytes, more: bytes = b"") -> bytes:
    length = b"Content-Length: %d\r\n" % len(body)
    return b"POST /function/echo%b HTTP/1.1\r\n%b%b%b\r\n%b" % (path, HOST, more, length, body)


def test_requests_that_come_at_once_are_answered_one_after_the_other() -> None:
    async def test(proxy: StubProxy, one: Caller) -> None:
        one.writer.write(b"".join(post(b"/%d" % n, b"x" * n) for n in range(50)))
        for n in range(50):
            assert await one.answer() == (200, b"/%d " % n + b"x" * n)

    assert len(run(test).calls) == 50


def test_a_request_may_come_byte_by_byte() -> None:
    async def test(proxy: StubProxy, one: Caller) -> None:
        for byte in post(b"/a", b"body"):
            one.writer.write(bytes([byte]))
            await one.writer.drain()
        assert await one.answer() == (200, b"/a body")

    run(test)


@pytest.mark.parametrize(
    ("request_bytes", "told"),
    [
        (b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n", (200, b"general /healthz 0")),
        (
            b"POST /function/echo/b HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
            b"3\r\nabc\r\n0\r\n\r\n",
            (200, b"general /function/echo/b 3"),
        ),
        (
            post(b"/long", b"x" * (MOST_BYTES + 1)),
            (200, b"general /function/echo/long %d" % (MOST_BYTES + 1)),
        ),
        (
            b"GET /function/none HTTP/1.1\r\nHost: a\r\n\r\n",
            (200, b"general /function/none 0"),
        ),
        (
            b"GET /function/echo/../x HTTP/1.1\r\nHost: a\r\n\r\n",
            (200, b"general /function/echo/../x 0"),
        ),
    ],
)
def test_what_is_not_plain_goes_the_other_way_with_all_that_follows(
    request_bytes: bytes, told: tuple[int, bytes]
) -> None:
    async def test(proxy: StubProxy, one: Caller) -> None:
        one.writer.write(post(b"/a", b"1") + request_bytes + post(b"/c", b"2"))
        assert await one.answer() == (200, b"/a 1")
        assert await one.answer() == told
        assert await one.answer() == (200, b"general /function/echo/c 1")

    run(test)


@pytest.mark.parametrize("beginning", [b"POST /function/echo HTTP/1.1\r\nHo", b"GE", b"X"])
def test_a_head_that_does_not_end_is_given_up(beginning: bytes) -> None:
    async def test(proxy: StubProxy, one: Caller) -> None:
        one.writer.write(post(b"/a", b"1"))
        await one.answer()
        one.writer.write(beginning)
        assert await one.end() == b""

    run(test)


def test_a_body_that_does_not_come_is_a_problem() -> None:
    async def test(proxy: StubProxy, one: Caller) -> None:
        trace = b"traceparent: 00-%032x-%016x-01\r\n" % (5, 6)
        one.writer.write(post(b"/a", b"body", trace)[:-1])
        status, body = await one.answer()
        assert (status, json.loads(body)["traceId"]) == (408, f"{5:032x}")
        assert await one.end() == b""

    proxy = run(test, idle=0.2)
    assert (proxy.calls, proxy.function.statuses) == ([], [408])


def test_bodies_for_which_there_is_no_room_are_a_problem() -> None:
    async def test(proxy: StubProxy, one: Caller) -> None:
        # Half is held, and the other half on its way, while another is sent whole.
        proxy.gate.clear()
        one.writer.write(post(b"/a", b"x" * 600))
        while not proxy.calls:
            await asyncio.sleep(0.005)
        async with caller(one.writer.get_extra_info("peername")[1]) as other:
            other.writer.write(post(b"/b", b"x" * 600))
            assert (await other.answer())[0] == 503
            assert await other.end() == b""
        proxy.gate.set()
        assert (await one.answer())[0] == 200

    run(test, held=1000)


def test_a_caller_that_goes_away_leaves_nothing_behind() -> None:
    async def test(proxy: StubProxy, one: Caller) -> None:
        proxy.gate.clear()
        one.writer.write(post(b"/a", b"x") + post(b"/b", b"x"))
        while not proxy.calls:
            await asyncio.sleep(0.005)
        one.writer.transport.abort()
        while proxy.begun():
            await asyncio.sleep(0.005)
        proxy.gate.set()
        while not proxy.function.answered.by_code:
            await asyncio.sleep(0.005)

    assert [call.target for call in run(test).calls] == [b"/a"]


def streaming(*headers: tuple[bytes, bytes], pieces: Pieces) -> Callable[[Call, Tell[Any]], Any]:
    async def answer(call: Call, tell: Tell[Any]) -> Any:
        try:
            return await tell(call, Answer(200, b"OK", [*headers]), cast(Connection, pieces))
        except ValueError as error:
            raise Incomplete(str(error)) from error

    return answer


def test_an_answer_without_a_length_comes_in_chunks() -> None:
    async def test(proxy: StubProxy, one: Caller) -> None:
        proxy.answer = streaming(pieces=Pieces(b"abc", b"d" * 20))
        one.writer.write(post(b"/a", b"") + b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n")
        assert b"transfer-encoding: chunked" in (await one.head()).lower()
        body = b"3\r\nabc\r\n14\r\n" + b"d" * 20 + b"\r\n0\r\n\r\n"
        assert await one.reader.readexactly(len(body)) == body
        assert await one.answer() == (200, b"general /healthz 0")

    run(test)


def test_an_answer_that_breaks_off_is_not_taken_for_the_whole() -> None:
    async def test(proxy: StubProxy, one: Caller) -> None:
        proxy.answer = streaming(pieces=Pieces(b"abc", error=ValueError("it ended")))
        one.writer.write(post(b"/a", b"") * 2)
        assert not (await one.end()).endswith(b"0\r\n\r\n")

    proxy = run(test)
    assert len(proxy.calls) == 1


def test_a_caller_that_does_not_read_is_waited_for() -> None:
    piece = b"x" * 100_000
    rest = Pieces(*[piece] * 400)

    async def test(proxy: StubProxy, one: Caller) -> None:
        length = (b"Content-Length", b"%d" % (400 * len(piece)))
        proxy.answer = streaming(length, pieces=rest)
        one.writer.write(post(b"/a", b""))
        await one.head()
        seen = -1
        while rest.taken != seen:  # until no more are taken
            seen = rest.taken
            await asyncio.sleep(0.2)
        assert seen < 400
        assert len(await one.reader.readexactly(400 * len(piece))) == 400 * len(piece)

    run(test)


def test_a_caller_that_pipelines_and_does_not_read_has_one_answer_waiting() -> None:
    large = b"x" * 1_000_000

    async def test(proxy: StubProxy, one: Caller) -> None:
        async def answer(call: Call, tell: Tell[Any]) -> Any:
            told = Answer(200, b"OK", [])
            told.body, told.is_whole = call.target + large, True
            return await tell(call, told, cast(Connection, None))

        proxy.answer = answer
        one.writer.write(b"".join(post(b"/%02d" % n, b"") for n in range(40)))
        (path,) = cast(set[FastPath], proxy.begun())
        while path._writable is None:
            await asyncio.sleep(0.005)
        for n in range(40, 60):  # each comes by itself, while an answer waits
            one.writer.write(post(b"/%02d" % n, b""))
            await one.writer.drain()
            await asyncio.sleep(0.002)
            assert path._transport.get_write_buffer_size() < 2 * len(large)
        for n in range(60):
            assert await one.answer() == (200, b"/%02d" % n + large)

    proxy = run(test)
    assert [call.target for call in proxy.calls] == [b"/%02d" % n for n in range(60)]
    assert sum(proxy.function.answered.by_code[200].counts) == 60


@pytest.mark.parametrize("last", [b"", b"Connection: close\r\n"])
def test_a_caller_that_never_reads_is_given_up(
    monkeypatch: pytest.MonkeyPatch, last: bytes
) -> None:
    monkeypatch.setattr(fast_path, "SLOW_READER_SECONDS", 0.1)

    async def test(proxy: StubProxy, one: Caller) -> None:
        async def answer(call: Call, tell: Tell[Any]) -> Any:
            told = Answer(200, b"OK", [])
            told.body, told.is_whole = b"x" * 50_000_000, True
            return await tell(call, told, cast(Connection, None))

        proxy.answer = answer
        cast(asyncio.Transport, one.writer.transport).pause_reading()
        one.writer.write(post(b"/a", b"", last))
        while not proxy.calls or proxy.begun():
            await asyncio.sleep(0.005)

    run(test)


def test_what_comes_while_a_connection_changes_hands_stays_in_order() -> None:
    async def test(proxy: StubProxy, one: Caller) -> None:
        proxy.gate.clear()
        chunked = b"POST /function/echo/b HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
        one.writer.write(post(b"/a", b"1") + chunked + b"3\r\nabc\r\n")
        while not proxy.calls:
            await asyncio.sleep(0.005)
        proxy.gate.set()  # answered in the next round, for which the rest is there
        one.writer.write(b"0\r\n\r\n")
        assert await one.answer() == (200, b"/a 1")
        assert await one.answer() == (200, b"general /function/echo/b 3")

    run(test)


def test_an_error_of_ours_is_a_problem_and_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    async def test(proxy: StubProxy, one: Caller) -> None:
        async def fail(call: Call, tell: Tell[Any]) -> Any:
            raise RuntimeError("a fault")

        proxy.answer = fail
        one.writer.write(post(b"/a", b"") + post(b"/b", b""))
        assert (await one.answer())[0] == 500
        assert (await one.answer())[0] == 500

    assert run(test).function.statuses == [500]
    assert "a fault" in caplog.text


def test_head_gets_no_body() -> None:
    async def test(proxy: StubProxy, one: Caller) -> None:
        async def answer(call: Call, tell: Tell[Any]) -> Any:
            if call.target == b"/none":
                raise Problem(HTTPStatus.SERVICE_UNAVAILABLE, "nothing is ready")
            told = Answer(200, b"OK", [(b"content-length", b"7")])
            told.is_whole = True
            return await tell(call, told, cast(Connection, None))

        proxy.answer = answer
        for path, status in ((b"/some", b"200"), (b"/none", b"503")):
            one.writer.write(b"HEAD /function/echo%b HTTP/1.1\r\n%b\r\n" % (path, HOST))
            head = await one.head()
            assert head.split()[1] == status
            assert b"content-length" in head.lower()
        one.writer.write(b"HEAD /function/echo/some HTTP/1.1\r\n%bConnection: close\r\n\r\n" % HOST)
        assert b"Connection: close" in await one.head()
        assert await one.end() == b""

    run(test)


def test_there_are_no_more_connections_than_there_may_be() -> None:
    async def test() -> None:
        async with server(Bodies(MOST_BYTES), most=1) as (_, port, _):
            async with caller(port) as first, caller(port) as second:
                assert await second.end() == FULL
                first.writer.write(post(b"/a", b"1"))
                assert await first.answer() == (200, b"/a 1")
            async with caller(port) as third:
                third.writer.write(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n")
                assert await third.answer() == (200, b"general /healthz 0")
                async with caller(port) as fourth:
                    assert await fourth.end() == FULL

    asyncio.run(asyncio.wait_for(test(), PATIENCE_SECONDS))


def test_a_server_that_stops_answers_what_it_has_begun() -> None:
    async def test() -> None:
        async with (
            server(Bodies(MOST_BYTES)) as (proxy, port, runner),
            caller(port) as idle,
            caller(port) as busy,
        ):
            idle.writer.write(post(b"/a", b"1"))
            await idle.answer()
            proxy.gate.clear()
            busy.writer.write(post(b"/b", b"2"))
            while len(proxy.calls) < 2:
                await asyncio.sleep(0.005)
            stopping = asyncio.create_task(runner.cleanup())
            assert await idle.end() == b""
            proxy.gate.set()
            assert await busy.answer() == (200, b"/b 2")
            assert await busy.end() == b""
            await stopping

    asyncio.run(asyncio.wait_for(test(), PATIENCE_SECONDS))


def test_a_body_that_is_not_read_to_its_end_when_the_server_stops_is_a_problem() -> None:
    async def test() -> None:
        async with server(Bodies(MOST_BYTES)) as (proxy, port, runner), caller(port) as one:
            one.writer.write(post(b"/a", b"body")[:-1])
            while not any(cast(FastPath, each)._call for each in proxy.begun()):
                await asyncio.sleep(0.005)
            stopping = asyncio.create_task(runner.cleanup())
            assert (await one.answer())[0] == 503
            assert await one.end() == b""
            await stopping

    asyncio.run(asyncio.wait_for(test(), PATIENCE_SECONDS))


def test_an_idle_connection_is_closed_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fast_path, "KEEPALIVE_SECONDS", 0.1)

    async def test(proxy: StubProxy, one: Caller) -> None:
        one.writer.write(post(b"/a", b"1"))
        assert await one.answer() == (200, b"/a 1")
        assert await one.end() == b""

    run(test)
