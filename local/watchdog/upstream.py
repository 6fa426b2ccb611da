"""The mode http: one process that serves, to which requests are passed on."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import time
from collections.abc import AsyncIterator
from http import HTTPStatus
from types import SimpleNamespace

import aiohttp
from aiohttp import web
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from local.machine import redirects
from local.watchdog import log, websockets
from local.watchdog.bodies import Held, Stream, break_off, pieces, whole
from local.watchdog.child import Output, ended_how
from local.watchdog.fixed_port import FixedPort
from local.watchdog.problem import Problem
from local.watchdog.settings import Settings

LOOK_SECONDS = 0.02  # whether it listens; less often the longer it takes
MOST_LOOK_SECONDS = 0.5
END_SECONDS = 5.0  # from SIGTERM to SIGKILL
KEEPALIVE_SECONDS = 4.0  # Node ends an idle connection after 5
SMALL_BYTES = 1024 * 1024  # a body or an answer that is held, so that it need not go in pieces
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
NOT_ASKED_FOR = ["User-Agent", "Accept", "Accept-Encoding", "Content-Type"]


class Upstream:
    """Starts the process, and knows where it listens."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._others: set[int] = set()
        self._port = FixedPort(settings.upstream_port, on_bind=self._hear)
        self._process: subprocess.Popen[bytes] | None = None
        self._words = log.LastWords()
        self._follow: list[asyncio.Task[None]] = []
        self._url = ""
        self._session: aiohttp.ClientSession | None = None

    async def start(self) -> None:
        """Start the process; raise OSError where that cannot be."""
        settings = self._settings
        port = {"PORT": str(settings.upstream_port)}
        command = (*settings.limit, *settings.process)
        # Nothing but the start is done here; it takes as long as the process takes to begin.
        self._process = self._port.start(
            command, {**settings.env, **port}, subprocess.PIPE, subprocess.PIPE
        )
        for name, pipe in (("stdout", self._process.stdout), ("stderr", self._process.stderr)):
            lines = log.follow(
                (await Output.of(pipe)).reader, name, settings.prefix_logs, self._words
            )
            self._follow.append(asyncio.create_task(lines))

    async def until_ready(self) -> None:
        """Wait until the process takes connections."""
        host, listening_port = await self._listening()
        self._url = f"http://[{host}]:{listening_port}" if ":" in host else ""
        self._url = self._url or f"http://{host}:{listening_port}"
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=KEEPALIVE_SECONDS),
            auto_decompress=False,
            cookie_jar=aiohttp.DummyCookieJar(),
            skip_auto_headers=NOT_ASKED_FOR,
            max_line_size=64 * 1024,
            max_field_size=64 * 1024,
            trace_configs=[redirects.refused(), reuse_told()],
        )

    async def ended(self) -> str:
        """Wait until the process has ended; say how."""
        assert self._process is not None
        exit_descriptor, over = os.pidfd_open(self._process.pid), asyncio.Event()
        asyncio.get_running_loop().add_reader(exit_descriptor, over.set)
        try:
            await over.wait()
        finally:
            asyncio.get_running_loop().remove_reader(exit_descriptor)
            os.close(exit_descriptor)
        self._kill()
        await asyncio.wait(self._follow, timeout=1)
        how, words = ended_how(self._process.wait()), str(self._words)
        return f"{how}: {words}" if words else how

    async def stop(self) -> None:
        """End the process: SIGTERM, and SIGKILL when it does not."""
        if self._session:
            await self._session.close()
        if self._process is None or self._process.poll() is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGTERM)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.ended(), END_SECONDS)
        self._kill()

    async def answer(
        self, request: web.BaseRequest, path: str, started_at: float
    ) -> web.StreamResponse:
        with Held() as held:
            try:
                return await self._pass_on(request, path, started_at, held)
            except (aiohttp.ClientConnectionError, aiohttp.ClientPayloadError) as error:
                detail = f"the process broke off: {error}"
                raise Problem(HTTPStatus.BAD_GATEWAY, detail) from error

    async def _pass_on(
        self, request: web.BaseRequest, path: str, started_at: float, held: Held
    ) -> web.StreamResponse:
        settings = self._settings
        headers = end_to_end(request.headers)
        if websockets.is_asked_for(request):
            assert self._session is not None
            most = settings.max_body_bytes
            url = self._url + path
            return await websockets.bridge(request, self._session, url, headers, most)
        is_held = settings.buffer_body or (request.content_length or 0) <= SMALL_BYTES
        body: bytes | AsyncIterator[bytes] | None = None
        if request.body_exists:
            most = settings.max_body_bytes
            if is_held and (request.content_length is not None or settings.buffer_body):
                headers.popall("Content-Length", None)
                async with asyncio.timeout(settings.read_timeout or None):
                    body = await whole(request, most, held) or None
            else:
                body = pieces(request, most)
        timeout = aiohttp.ClientTimeout(total=settings.limit_seconds or None)
        upstream = await self._ask(request.method, path, headers, body, timeout)
        try:
            return await self._relay(request, upstream, started_at)
        finally:
            upstream.close() if not upstream.content.at_eof() else upstream.release()

    async def _ask(
        self,
        method: str,
        path: str,
        headers: CIMultiDict[str],
        body: bytes | AsyncIterator[bytes] | None,
        timeout: aiohttp.ClientTimeout,
    ) -> aiohttp.ClientResponse:
        """Send the request, and once more where an idle connection had just been ended."""
        assert self._session is not None
        url = URL(self._url + path, encoded=True)
        for may_repeat in (True, False):
            connection = SimpleNamespace(was_idle=False)
            try:
                return await self._session.request(
                    method,
                    url,
                    headers=headers,
                    data=body,
                    timeout=timeout,
                    allow_redirects=False,
                    trace_request_ctx=connection,
                )
            except aiohttp.ServerDisconnectedError:
                is_whole = body is None or isinstance(body, bytes)
                if not (may_repeat and connection.was_idle and is_whole):
                    raise
        raise AssertionError("the second attempt returns or raises")

    async def _relay(
        self, request: web.BaseRequest, upstream: aiohttp.ClientResponse, started_at: float
    ) -> web.StreamResponse:
        headers = end_to_end(upstream.headers)
        length = upstream.content_length
        is_small = length is not None and length <= SMALL_BYTES
        whole_answer = await upstream.read() if is_small else b""
        headers["X-Duration-Seconds"] = f"{time.monotonic() - started_at:f}"
        status, reason = upstream.status, upstream.reason
        if whole_answer:
            headers.popall("Content-Length", None)
            return web.Response(status=status, reason=reason, headers=headers, body=whole_answer)
        response = Stream(status=status, reason=reason, headers=headers)
        await response.prepare(request)
        try:
            async for piece in upstream.content.iter_any():
                await response.write(piece)
        except (aiohttp.ClientPayloadError, TimeoutError) as error:
            log.say(f"answer broken off: {error or 'it took too long'}")
            break_off(request)
        return response

    async def _listening(self) -> tuple[str, int]:
        """Wait until a connection is taken."""
        seconds = LOOK_SECONDS
        while True:
            if address := self._port.address:
                with contextlib.suppress(OSError):
                    _, writer = await asyncio.open_connection(*address)
                    writer.close()
                    return address
            await asyncio.sleep(seconds)
            seconds = min(MOST_LOOK_SECONDS, seconds * 1.2)

    def _hear(self, host: str, port: int) -> None:
        if port != self._port.fixed and port not in self._others:
            self._others.add(port)
            log.say(
                f"the process takes port {port}; requests go to {self._port.fixed}, as its"
                " upstream_url says"
            )

    def _kill(self) -> None:
        if self._process:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)


def reuse_told() -> aiohttp.TraceConfig:
    """Tell a request's `trace_request_ctx` whether its connection has carried another."""

    async def tell(
        session: aiohttp.ClientSession,
        context: SimpleNamespace,
        params: aiohttp.TraceConnectionReuseconnParams,
    ) -> None:
        if context.trace_request_ctx is not None:
            context.trace_request_ctx.was_idle = True

    config = aiohttp.TraceConfig()
    config.on_connection_reuseconn.append(tell)
    return config


def end_to_end(headers: CIMultiDictProxy[str]) -> CIMultiDict[str]:
    """Return the headers without those that are about one connection only."""
    named = {name.strip().lower() for name in headers.get("Connection", "").split(",")}
    dropped = HOP_BY_HOP | named
    return CIMultiDict(
        (name, value) for name, value in headers.items() if name.lower() not in dropped
    )
