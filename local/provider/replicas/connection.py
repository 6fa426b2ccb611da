"""A connection to a replica, HTTP/1.1: one request after the other, each answer whole or in pieces.

Parsing is httptools': a client for general use costs more than all the rest of a request's way.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Sequence

import httptools

Headers = list[tuple[bytes, bytes]]

MAX_WHOLE_BYTES = 1024 * 1024  # an answer that is larger, or does not say, comes in pieces
MAX_QUEUED_BYTES = 256 * 1024  # of pieces that nobody has taken yet
MAX_HEAD_BYTES = 64 * 1024
# Less than waitress' 120: the provider ends idle connections, not the replica.
KEEPALIVE_SECONDS = 60.0


class BrokenOff(Exception):
    """The connection ended, or what came is no HTTP, before the answer was whole."""


class WasIdle(BrokenOff):
    """Nothing came at all, on a connection that the replica may have closed for being idle."""


class NotConnected(Exception):
    """Nobody listens, or there are no more files."""


class Answer:
    """Status line and headers, and the body, where it is short; `pieces` has the rest of others."""

    def __init__(self, status: int, reason: bytes, headers: Headers) -> None:
        self.status = status
        self.reason = reason
        self.headers = headers
        self.body = b""
        self.is_whole = False


class Connections:
    """The idle connections to one replica."""

    def __init__(self, address: str, port: int) -> None:
        self._address = (address, port)
        self.host = f"{address}:{port}".encode()
        self._idle: list[tuple[Connection, float]] = []  # and since when; the last is used first
        self._sweep: asyncio.TimerHandle | None = None
        self.is_closed = False

    def take(self) -> Connection | None:
        """Return an idle connection, if there is one."""
        return self._idle.pop()[0] if self._idle else None

    async def open(self) -> Connection:
        """Return a new connection; raise NotConnected where there is none."""
        loop = asyncio.get_running_loop()
        try:
            _, connection = await loop.create_connection(lambda: Connection(self), *self._address)
        except OSError as error:
            raise NotConnected(str(error)) from error
        return connection

    def give_back(self, connection: Connection) -> None:
        if self.is_closed:
            connection.close()
            return
        loop = asyncio.get_running_loop()
        self._idle.append((connection, loop.time()))
        if self._sweep is None:
            self._sweep = loop.call_later(KEEPALIVE_SECONDS, self._close_old)

    def forget(self, connection: Connection) -> None:
        self._idle = [each for each in self._idle if each[0] is not connection]

    def close_idle(self) -> None:
        for connection, _ in self._idle:
            connection.close()
        self._idle = []

    def close(self) -> None:
        """Keep none from now on."""
        self.is_closed = True
        if self._sweep:
            self._sweep.cancel()
        self.close_idle()

    def _close_old(self) -> None:
        loop = asyncio.get_running_loop()
        oldest = loop.time() - KEEPALIVE_SECONDS
        old = [connection for connection, since in self._idle if since <= oldest]
        self._idle = [each for each in self._idle if each[1] > oldest]
        for connection in old:
            connection.close()
        self._sweep = None
        if self._idle:
            self._sweep = loop.call_at(self._idle[0][1] + KEEPALIVE_SECONDS, self._close_old)


class Connection(asyncio.Protocol):
    """Sends a request, and parses its answer; httptools calls what begins with `on_`."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections
        self._transport: asyncio.Transport
        self._parser: httptools.HttpResponseParser | None = None  # of the answer under way
        self._begun: asyncio.Future[Answer] | None = None  # until the answer is whole, or in pieces
        self._arrived: asyncio.Future[None] | None = None  # somebody waits for a piece
        self._pieces: deque[bytes] = deque()
        self._queued_bytes = 0
        self._end: BaseException | None = None
        self._is_closed = False
        self._is_used = False  # it has carried a request before

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    async def send(self, head: bytes, body: bytes, is_head: bool) -> Answer:
        """Send a request; return the answer once it is whole, or its first piece may be taken.

        Raises:
            BrokenOff: the answer did not come, or not to the end of its headers.
        """
        if self._is_closed:
            raise WasIdle("its connection was closed")
        self._parser = httptools.HttpResponseParser(self)
        self._is_head = is_head
        self._answer: Answer | None = None
        self._reason = b""
        self._headers: Headers = []
        self._head_bytes = 0
        self._is_done = False
        self._ends_with_connection = False
        self._is_reusable = False
        self._begun = asyncio.get_running_loop().create_future()
        if len(body) <= MAX_QUEUED_BYTES:
            self._transport.write(head + body)
        else:  # not copied
            self._transport.write(head)
            self._transport.write(memoryview(body))
        try:
            return await self._begun
        finally:
            self._begun = None

    async def pieces(self) -> AsyncIterator[bytes]:
        """Yield the pieces of the body as they come.

        Raises:
            BrokenOff: it ended before its time.
        """
        while True:
            while self._pieces:
                piece = self._pieces.popleft()
                self._queued_bytes -= len(piece)
                self._transport.resume_reading()
                yield piece
            if self._is_done:
                return
            if self._end is not None:
                raise self._end
            self._arrived = asyncio.get_running_loop().create_future()
            await self._arrived

    def release(self) -> None:
        """Keep the connection for the next request where it can be, else close it."""
        if self._is_closed:
            return
        is_unsent = self._transport.get_write_buffer_size() > 0  # it answered before it was asked
        if self._parser is not None or not self._is_reusable or self._pieces or is_unsent:
            self._transport.abort()  # the rest of an answer that nobody wants may be long
        else:
            self._is_used = True
            self._connections.give_back(self)

    def close(self) -> None:
        self._transport.close()

    def data_received(self, data: bytes) -> None:
        if self._parser is None:  # what was not asked for
            self._connections.forget(self)
            self._is_reusable = False
            self._transport.abort()
            return
        if self._answer is None:
            self._head_bytes += len(data)
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            if not self._is_done:
                self._fail(BrokenOff(f"its answer is no HTTP: {error}"))
                return
            self._is_reusable = False  # something follows the answer
        if self._answer is None and self._head_bytes > MAX_HEAD_BYTES:
            self._fail(BrokenOff(f"the headers of its answer are more than {MAX_HEAD_BYTES} bytes"))
            return
        self._tell()

    def eof_received(self) -> None:
        if self._answer is not None and self._ends_with_connection and not self._is_done:
            self._is_done = True
            self._tell()

    def connection_lost(self, exc: Exception | None) -> None:
        self._is_closed = True
        self._connections.forget(self)
        if self._parser is not None and not self._is_done:
            was_idle = self._is_used and self._head_bytes == 0
            why = str(exc or "its connection was closed")
            self._fail(WasIdle(why) if was_idle else BrokenOff(why))

    def on_message_begin(self) -> None:
        if self._is_done:
            self._is_reusable = False

    def on_status(self, reason: bytes) -> None:
        self._reason += reason

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._answer is None:  # no trailer
            self._headers.append((name, value))

    def on_headers_complete(self) -> None:
        assert self._parser is not None
        if self._is_done:
            return
        status = self._parser.get_status_code()
        if status == 101:
            raise ValueError("it switches protocols, which was not asked for")
        if status < 200:  # the answer proper follows
            self._reason, self._headers = b"", []
            return
        self._answer = answer = Answer(status, self._reason, self._headers)
        lengths = [value for name, value in answer.headers if name.lower() == b"content-length"]
        is_chunked = any(name.lower() == b"transfer-encoding" for name, _ in answer.headers)
        has_no_body = self._is_head or status in (204, 304)
        self._ends_with_connection = not (lengths or is_chunked or has_no_body)
        answer.is_whole = has_no_body or bool(lengths and int(lengths[0]) <= MAX_WHOLE_BYTES)
        if self._is_head:
            self._finish()

    def on_body(self, piece: bytes) -> None:
        if self._is_done:
            self._is_reusable = False
            return
        self._pieces.append(piece)
        self._queued_bytes += len(piece)

    def on_message_complete(self) -> None:
        if self._answer is not None and not self._is_done:
            self._finish()

    def _finish(self) -> None:
        assert self._parser is not None
        self._is_done = True
        self._is_reusable = self._parser.should_keep_alive()

    def _tell(self) -> None:
        """Wake who waits for what has come."""
        answer = self._answer
        if answer is None:
            return
        if self._is_done:
            self._parser = None
        if self._begun is not None and not self._begun.done():
            if answer.is_whole:
                if not self._is_done:
                    return
                answer.body = b"".join(self._pieces)
                self._pieces.clear()
                self._queued_bytes = 0
            self._begun.set_result(answer)
        if answer.is_whole:
            return
        if self._queued_bytes > MAX_QUEUED_BYTES:
            self._transport.pause_reading()
        self._wake()

    def _fail(self, error: BrokenOff) -> None:
        self._end = error
        self._is_reusable = False
        self._transport.abort()
        if self._begun is not None and not self._begun.done():
            self._begun.set_exception(error)
        self._wake()

    def _wake(self) -> None:
        if self._arrived is not None and not self._arrived.done():
            self._arrived.set_result(None)


def head_of(method: bytes, target: bytes, headers: Sequence[tuple[bytes, bytes]]) -> bytes:
    """Write a request line and its headers, up to the empty line."""
    lines = [b"%b %b HTTP/1.1\r\n" % (method, target)]
    lines += [b"%b: %b\r\n" % field for field in headers]
    lines.append(b"\r\n")
    return b"".join(lines)
