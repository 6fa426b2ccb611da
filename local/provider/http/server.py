"""The provider's HTTP server: how many connections it takes, and what it says to bad requests."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from http import HTTPStatus
from typing import Any, Protocol

from aiohttp import HttpVersion10, HttpVersion11, web
from aiohttp.web_protocol import RequestHandler, _ErrInfo

from local.provider.http.problem import Problem, answer, call_id_of, document

logger = logging.getLogger(__name__)

MAX_CONNECTIONS = 2048
HEAD_SECONDS = 10.0  # from the first byte of a request to the last of its headers
# More than Nginx passes on, and than clients keep an idle connection for.
KEEPALIVE_SECONDS = 120
MAX_LINE_BYTES = 16 * 1024
MAX_HEADERS = 512
FULL_BODY = document(
    Problem(HTTPStatus.SERVICE_UNAVAILABLE, "there are as many connections as there may be")
)
FULL = b"""HTTP/1.1 503 Service Unavailable\r
Content-Type: application/problem+json\r
Content-Length: %d\r
Connection: close\r
Retry-After: 1\r
\r
%b""" % (len(FULL_BODY), FULL_BODY)


class Begun(Protocol):
    """A connection whose requests were all plain so far (fast_path.py)."""

    answering: asyncio.Task[None] | None

    def close_after_answer(self) -> None: ...

    def abort(self) -> None: ...


class Connection(RequestHandler):
    """One connection at aiohttp: its requests must get to the end of their headers in time."""

    __slots__ = ("_head_timer", "_server")

    def __init__(self, server: Server, **options: Any) -> None:
        super().__init__(server, **options)
        self._server = server
        self._head_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        if not self._server.has_room() and self.transport is not None:
            self.transport.write(FULL)
            self.force_close()

    def connection_lost(self, exc: BaseException | None) -> None:
        self._wait_no_longer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._tell_of_broken_body()
        # Whoever waits for a request still has none: what came is a part of its head.
        if self._waiter is None or self._waiter.done():
            self._wait_no_longer()
        elif self._head_timer is None:
            self._head_timer = self._loop.call_later(self._server.head_seconds, self.force_close)

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer a request that cannot be read, or that failed here; then close."""
        if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            logger.error("request failed", exc_info=exc)
            detail = "the provider failed; its log says why"
        else:
            detail = f"the request cannot be read: {first_line(message or str(exc))}"
        if request.writer.output_size > 0:
            raise ConnectionError("a part of another answer is sent already") from exc
        response = answer(request, Problem(HTTPStatus(status), detail), call_id_of(request))
        response.force_close()
        return response

    def _tell_of_broken_body(self) -> None:
        """End the body that is being read where what came for it cannot be read."""
        reading = self._current_request
        if reading is None or not self._messages or reading.content.is_eof():
            return
        if isinstance(self._messages[-1][0], _ErrInfo):
            reading.content.set_exception(web.RequestPayloadError("not HTTP"))
            reading.content.feed_eof()

    def _wait_no_longer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None


class Server(web.Server):
    """Takes connections, up to a number; `first` makes what they are to begin with."""

    def __init__(
        self, application: web.Server, most: int, head_seconds: float, first: First | None
    ) -> None:
        super().__init__(self._handle, request_factory=application.request_factory)
        self._application = application
        self._most_connections = most
        self._first = first
        self.head_seconds = head_seconds
        self.begun: set[Begun] = set()

    def __call__(self) -> Any:
        return self._first(self) if self._first else self.general()

    def general(self) -> Connection:
        """Make a connection that takes all that HTTP allows."""
        return Connection(
            self,
            loop=self._loop,
            access_log=None,
            # Bytes that are counted are the bytes that are held.
            auto_decompress=False,
            keepalive_timeout=KEEPALIVE_SECONDS,
            max_line_size=MAX_LINE_BYTES,
            max_field_size=MAX_LINE_BYTES,
            max_headers=MAX_HEADERS,
        )

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        if request._version not in (HttpVersion10, HttpVersion11):
            request._version = HttpVersion10  # that of the answer, and the connection ends
            problem = Problem(HTTPStatus.HTTP_VERSION_NOT_SUPPORTED, "allowed: HTTP/1.0 and 1.1")
            return answer(request, problem, call_id_of(request))
        try:
            return await self._application.request_handler(request)
        except web.HTTPExpectationFailed:  # before any middleware is asked
            detail = f"Expect is {request.headers['Expect'][:80]!r}; allowed is 100-continue"
            problem = Problem(HTTPStatus.EXPECTATION_FAILED, detail)
            return answer(request, problem, call_id_of(request))

    def has_room(self) -> bool:
        """Tell whether there are no more connections than there may be."""
        return len(self._connections) + len(self.begun) <= self._most_connections

    def pre_shutdown(self) -> None:
        for connection in list(self.begun):
            connection.close_after_answer()
        super().pre_shutdown()

    async def shutdown(self, timeout: float | None = None) -> None:
        if answering := [each.answering for each in self.begun if each.answering]:
            await asyncio.wait(answering, timeout=timeout)
        for connection in list(self.begun):
            connection.abort()
        await super().shutdown(timeout)


First = Callable[[Server], asyncio.Protocol]


class Runner(web.AppRunner):
    """Runs an application on such a server."""

    def __init__(
        self,
        app: web.Application,
        most_connections: int = MAX_CONNECTIONS,
        head_seconds: float = HEAD_SECONDS,
        first: First | None = None,
    ) -> None:
        super().__init__(app, access_log=None, handle_signals=False)
        self._options = (most_connections, head_seconds, first)

    async def _make_server(self) -> web.Server:
        return Server(await super()._make_server(), *self._options)


class Stream(web.StreamResponse):
    """An answer that is written piece by piece; to HEAD, and where there is no body, none of it."""

    async def write(self, data: bytes | bytearray | memoryview) -> None:
        if not self._must_be_empty_body:
            await super().write(data)


def first_line(text: str) -> str:
    """Return what a parser says, without the bytes that it points at."""
    return text.strip().partition("\n")[0].partition(" when reading")[0].rstrip(":")[:200]
