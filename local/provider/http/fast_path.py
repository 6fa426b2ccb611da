"""The way of nearly all calls: plain requests, read without aiohttp, at a fraction of its costs.

A connection begins here. The first request that is not plain takes it to aiohttp's server, for
good; both ways forward by the same proxy.
"""

from __future__ import annotations

import asyncio
import logging
import math
import socket
import time
from http import HTTPStatus

from local.provider.functions.function import Function
from local.provider.http import paths, plain_answer, request_head
from local.provider.http.bodies import Bodies
from local.provider.http.call import Call
from local.provider.http.problem import UNREAD, Problem, as_call_id
from local.provider.http.proxy import Incomplete, Proxy
from local.provider.http.request_head import Head
from local.provider.http.server import FULL, KEEPALIVE_SECONDS, Server
from local.provider.replicas.connection import Answer, Connection

logger = logging.getLogger(__name__)

MAX_UNREAD_BYTES = 64 * 1024  # that came before the answer to what came before
SLOW_READER_SECONDS = 30.0  # for the rest of an answer that is sent


class CallerGone(Exception):
    """Nobody is there to be told the rest."""


class FastPath(asyncio.Protocol):
    """One caller's connection: reads a request, has it forwarded, writes the answer."""

    def __init__(self, server: Server, proxy: Proxy, bodies: Bodies) -> None:
        self._server = server
        self._proxy = proxy
        self._bodies = bodies
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport
        self._unread = b""
        self._head: Head | None = None
        self._call: Call | None = None
        self._function: Function
        self._pieces: list[bytes] = []
        self._missing_bytes = 0
        self._held_bytes = 0
        self._body_deadline = math.inf
        self._deadline = math.inf
        self._is_in_head = False
        self._timer: asyncio.TimerHandle | None = None
        self._writable: asyncio.Future[None] | None = None  # while the caller reads too slowly
        self._is_last = False
        self._is_told = False  # the answer, or a part of it
        self._is_lost = False
        self._has_left = False
        self.answering: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        self._sender = str((transport.get_extra_info("peername") or ["unknown"])[0])
        self._server.begun.add(self)
        if not self._server.has_room():
            transport.write(FULL)
            self._close()
            return
        self._wait(KEEPALIVE_SECONDS)

    def connection_lost(self, exc: Exception | None) -> None:
        self._is_lost = True
        self._forget()
        if self.answering is None and self._call is not None:  # its caller broke it off
            self._count(HTTPStatus.BAD_REQUEST, self._call)
            self._give_back()
        self.resume_writing()

    def data_received(self, data: bytes) -> None:
        if self._transport.is_closing():
            return
        if self._missing_bytes:
            self._take(data)
        else:
            self._unread += data
        if self.answering is None:
            self._advance()
        elif len(self._unread) > MAX_UNREAD_BYTES:
            self._transport.pause_reading()

    def pause_writing(self) -> None:
        self._writable = self._loop.create_future()

    def resume_writing(self) -> None:
        if self._writable is not None and not self._writable.done():
            self._writable.set_result(None)
        self._writable = None

    def close_after_answer(self) -> None:
        self._is_last = True
        if self.answering is not None:
            return
        if self._call is not None:
            detail = "the provider stops; the body is not read to its end"
            self._refuse(Problem(HTTPStatus.SERVICE_UNAVAILABLE, detail))
        else:
            self._transport.close()

    def abort(self) -> None:
        self._transport.abort()

    def _advance(self) -> None:
        """Go on with what has come, as far as that goes."""
        if self._call is None and self._unread and not self._transport.is_closing():
            self._begin()
        if self._has_left or self._transport.is_closing():
            return
        if self._call is None:
            if not self._unread:
                self._is_in_head = False
                self._wait(KEEPALIVE_SECONDS)
        elif self._missing_bytes == 0:
            self._deadline = math.inf
            self._call.body = b"".join(self._pieces)
            self._pieces = []
            self.answering = self._loop.create_task(self._answer(self._call))

    def _begin(self) -> None:
        """Read a head; leave the connection to aiohttp where it is not plain."""
        end = self._unread.find(b"\r\n\r\n") + 4
        if end < 4:
            if not request_head.may_become_plain(self._unread):
                self._leave()
            elif not self._is_in_head:
                self._is_in_head = True
                self._wait(self._server.head_seconds)
            return
        head = request_head.read(self._unread[:end])
        if head is None or head.length > self._bodies.most_bytes:
            self._leave()
            return
        if not paths.is_canonical(head.target):
            self._leave()
            return
        try:
            self._function, target = self._proxy.find(head.target)
            self._proxy.enter()
        except Problem:  # told by the other way
            self._leave()
            return
        self._is_in_head = self._is_told = False
        rest, self._unread = self._unread[end:], b""
        self._head = head
        self._is_last = self._is_last or head.is_last
        self._missing_bytes = head.length
        self._held_bytes = 0
        self._call = Call(
            method=head.method,
            target=target,
            headers=head.headers,
            sender=self._sender,
            call_id=as_call_id(head.by_name.get(b"x-call-id", b"").decode("latin-1")),
            started_at=time.perf_counter(),
        )
        self._body_deadline = self._loop.time() + self._bodies.whole_seconds
        self._take(rest)

    def _take(self, data: bytes) -> None:
        """Take a piece of the body; what follows it stays unread."""
        piece = data[: self._missing_bytes]
        self._unread = data[len(piece) :]
        try:
            self._bodies.hold(len(piece))
        except Problem as problem:
            self._refuse(problem)
            return
        self._held_bytes += len(piece)
        self._missing_bytes -= len(piece)
        self._pieces.append(piece)
        if self._missing_bytes:
            left_seconds = self._body_deadline - self._loop.time()
            self._wait(min(self._bodies.idle_seconds, left_seconds))

    async def _answer(self, call: Call) -> None:
        """Answer a call, and wait until its caller has read enough to be sent another answer."""
        is_whole = await self._forward(call)
        self._give_back()
        if not is_whole:
            self._transport.abort()  # so that nobody takes it for the whole
        elif self._writable is not None:
            self._wait(SLOW_READER_SECONDS)
            await self._writable
        self.answering = None
        if self._transport.is_closing():
            return
        if self._is_last:
            self._close()
        else:
            self._transport.resume_reading()
            self._advance()

    async def _forward(self, call: Call) -> bool:
        """Have a call answered; tell whether its caller was told all there is."""
        status, is_whole = 500, False
        try:
            status = await self._proxy.forward(self._function, call, self._tell)
            is_whole = True
        except Problem as problem:
            status = problem.status
            self._tell_problem(problem, call)
            is_whole = True
        except Incomplete as error:
            logger.warning("answer broken off", extra={"reason": str(error)})
        except CallerGone:
            logger.info("caller gone", extra={"call": call.call_id})
        except Exception:
            logger.exception("request failed")
            detail = "the provider failed; its log says why"
            is_whole = not self._is_told
            if is_whole:
                self._tell_problem(Problem(HTTPStatus.INTERNAL_SERVER_ERROR, detail), call)
        finally:
            self._count(status, call)
        return is_whole

    def _count(self, status: int, call: Call) -> None:
        self._function.answered.add(int(status), time.perf_counter() - call.started_at)

    def _close(self) -> None:
        """Close when the caller has read what it was told, or takes too long for it."""
        self._wait(SLOW_READER_SECONDS)
        self._transport.close()

    async def _tell(self, call: Call, answer: Answer, connection: Connection) -> int:
        told, is_chunked = plain_answer.of_replica(call, answer, is_last=self._is_last)
        self._write(told)
        if answer.is_whole:
            return answer.status
        async for piece in connection.pieces():
            self._transport.write(b"%x\r\n%b\r\n" % (len(piece), piece) if is_chunked else piece)
            await self._drained()
        if is_chunked:
            self._transport.write(b"0\r\n\r\n")
        return answer.status

    def _tell_problem(self, problem: Problem, call: Call) -> None:
        assert self._head
        self._is_last = self._is_last or problem.status in UNREAD
        self._write(plain_answer.of_provider(call, self._head, problem, is_last=self._is_last))

    def _write(self, told: bytes) -> None:
        if not self._is_lost:
            self._is_told = True
            self._transport.write(told)

    async def _drained(self) -> None:
        if self._writable is not None:
            await self._writable
        if self._is_lost:
            raise CallerGone

    def _refuse(self, problem: Problem) -> None:
        """Answer a request whose body is not read to its end."""
        assert self._call
        self._is_last = True
        self._tell_problem(problem, self._call)
        self._count(problem.status, self._call)
        self._give_back()
        self._close()

    def _give_back(self) -> None:
        """End the request that was begun."""
        self._bodies.give_back(self._held_bytes)
        self._proxy.leave()
        self._head, self._call = None, None
        self._pieces, self._held_bytes, self._missing_bytes = [], 0, 0

    def _leave(self) -> None:
        """Leave the connection to aiohttp's server, from the request on that is still unread."""
        self._has_left = True
        self._forget()
        connection, unread = self._server.general(), self._unread
        self._unread = b""
        # Until it has what is unread: more may be on its way to us in this very moment.
        self._transport.pause_reading()
        self._transport.set_protocol(connection)
        connection.connection_made(self._transport)

        def go_on() -> None:
            if not self._transport.is_closing():
                self._transport.resume_reading()
                connection.data_received(unread)

        self._loop.call_soon(go_on)  # after its task has begun to wait for requests

    def _forget(self) -> None:
        self._server.begun.discard(self)
        if self._timer is not None:
            self._timer.cancel()

    def _wait(self, seconds: float) -> None:
        """Give the caller so long; a timer that ends sooner is set anew when it does."""
        self._deadline = self._loop.time() + seconds
        if self._timer is None or self._timer.when() > self._deadline:
            if self._timer is not None:
                self._timer.cancel()
            self._timer = self._loop.call_at(self._deadline, self._look_at_time)

    def _look_at_time(self) -> None:
        self._timer = None
        if self._deadline == math.inf:
            return
        if self._loop.time() < self._deadline:
            self._timer = self._loop.call_at(self._deadline, self._look_at_time)
        elif self._transport.is_closing() or self.answering is not None:
            self._transport.abort()  # nobody reads
        elif self._call is not None:
            self._refuse(self._bodies.too_slow())
        else:
            self._close()
