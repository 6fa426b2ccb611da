"""Takes the requests of one replica: health, how many at a time, and the drain at the end."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path
from typing import Protocol

from aiohttp import web

from local.watchdog import log
from local.watchdog.problem import Problem, answer
from local.watchdog.settings import Settings

KEEPALIVE_SECONDS = 120.0  # longer than the provider's, which ends idle connections first
MAX_HEADER_BYTES = 64 * 1024
MAX_HEADERS = 512
HEALTH, READY = "/_/health", "/_/ready"


class Mode(Protocol):
    """How a function is run: forks.Forks or upstream.Upstream."""

    async def start(self) -> None: ...

    async def until_ready(self) -> None: ...

    async def ended(self) -> str: ...

    async def stop(self) -> None: ...

    async def answer(
        self, request: web.BaseRequest, path: str, started_at: float
    ) -> web.StreamResponse: ...


class Watchdog:
    """Answers /_/health and /_/ready itself; everything else is the function's."""

    def __init__(self, settings: Settings, mode: Mode) -> None:
        self.is_healthy = False
        self._has_opened = False
        self._settings = settings
        self._mode = mode
        self._lock_file = Path(settings.lock_file)
        self._in_flight = 0
        self._idle = asyncio.Event()
        self._idle.set()

    async def listen(self) -> asyncio.Server:
        # A caller who has gone ends the process that works for him.
        server = web.Server(
            self.handle,
            handler_cancellation=True,
            access_log=None,
            auto_decompress=False,
            keepalive_timeout=KEEPALIVE_SECONDS,
            max_line_size=MAX_HEADER_BYTES,
            max_field_size=MAX_HEADER_BYTES,
            max_headers=MAX_HEADERS,
        )
        settings = self._settings
        return await asyncio.get_running_loop().create_server(server, settings.host, settings.port)

    def open(self) -> None:
        """Say that requests may come."""
        if not self._settings.suppress_lock:
            self._lock_file.touch()
        self.is_healthy = self._has_opened = True

    async def drain(self) -> None:
        """Be unhealthy, serve on for the grace, then wait for what is under way."""
        self.is_healthy = False
        self._lock_file.unlink(missing_ok=True)
        await asyncio.sleep(self._settings.grace_seconds)
        try:
            await asyncio.wait_for(self._idle.wait(), self._settings.write_timeout or None)
        except TimeoutError:
            log.say(f"stopped with {self._in_flight} requests under way")

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        path = request.path
        started_at = time.monotonic()
        try:
            if path == HEALTH:
                return self._health()
            if path == READY and not self._settings.ready_path:
                self._health()
                return self._ready()
            if not self._has_opened:
                raise Problem(HTTPStatus.SERVICE_UNAVAILABLE, "the process does not listen yet")
            with self._counted():
                if path == READY:
                    self._health()
                return await self._answer(request, started_at)
        except Problem as problem:
            return answer(problem)

    async def _answer(self, request: web.BaseRequest, started_at: float) -> web.StreamResponse:
        is_ready_path = request.path == READY
        path = self._settings.ready_path if is_ready_path else request.raw_path
        status = 0
        try:
            response = await self._mode.answer(request, path, started_at)
            status = response.status
            return response
        except TimeoutError as error:
            problem = self._too_slow(time.monotonic() - started_at)
            status = problem.status
            raise problem from error
        except Problem as problem:
            status = problem.status
            log.say(str(problem))
            raise
        finally:
            if not is_ready_path:
                self._log(request, status, time.monotonic() - started_at)

    def _too_slow(self, seconds: float) -> Problem:
        limit, read_limit = self._settings.limit_seconds, self._settings.read_timeout
        if limit and seconds >= limit:
            detail = f"the function took longer than {limit:g} s"
            return Problem(HTTPStatus.GATEWAY_TIMEOUT, detail)
        detail = f"the body did not arrive within {read_limit:g} s"
        return Problem(HTTPStatus.REQUEST_TIMEOUT, detail)

    def _log(self, request: web.BaseRequest, status: int, seconds: float) -> None:
        call_id = request.headers.get("X-Call-Id", "none")
        how = f"{status:d}" if status else "given up"
        log.say(f"{request.method} {request.path!r} - {how} ({seconds:.4f}s) [{call_id}]")

    def _health(self) -> web.Response:
        is_locked = self._settings.suppress_lock or self._lock_file.exists()
        if not self.is_healthy or not is_locked:
            raise Problem(HTTPStatus.SERVICE_UNAVAILABLE, "the function takes no requests")
        return web.Response(text="OK")

    def _ready(self) -> web.Response:
        self._check_room()
        return web.Response(text="OK")

    def _check_room(self) -> None:
        most = self._settings.max_inflight
        if most and self._in_flight >= most:
            raise Problem(HTTPStatus.TOO_MANY_REQUESTS, f"{most} requests are under way")

    @contextmanager
    def _counted(self) -> Iterator[None]:
        self._check_room()
        self._in_flight += 1
        self._idle.clear()
        try:
            yield
        finally:
            self._in_flight -= 1
            if not self._in_flight:
                self._idle.set()
