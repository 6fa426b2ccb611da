"""The modes that start a process for each request: streaming, serializing, and the classic one."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Iterator
from http import HTTPStatus
from urllib.parse import unquote

from aiohttp import web

from local.watchdog import log, request_environment
from local.watchdog.bodies import CHUNK_BYTES, Held, Stream, break_off, pieces, whole
from local.watchdog.child import Child, ended_how
from local.watchdog.problem import Problem
from local.watchdog.settings import Settings

LAST_WORDS_SECONDS = 1.0  # for output that is still in the pipe when the process has ended

MAX_PROCESSES = 100  # at a time; further requests wait for one to end
LAST_WORDS = 300  # characters of the output of a process that fails
BINARY = "application/octet-stream"


class Forks:
    """Answers a request with what a process writes that reads its body."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._turns = asyncio.Semaphore(MAX_PROCESSES)
        self._is_combined = settings.mode == "classic" and settings.combine_output

    async def start(self) -> None:
        """There is nothing to start."""

    async def until_ready(self) -> None:
        """There is nothing to wait for."""

    async def ended(self) -> str:
        """Wait until nothing more can be answered, which never comes; say why."""
        await asyncio.Event().wait()
        return ""

    async def stop(self) -> None:
        """No process is left when no request is."""

    async def answer(
        self, request: web.BaseRequest, path: str, started_at: float
    ) -> web.StreamResponse:
        begun: list[Stream] = []
        try:
            with Held() as held:
                async with self._turns, asyncio.timeout(self._settings.limit_seconds or None):
                    if self._settings.mode == "streaming":
                        return await self._stream(request, path, started_at, begun)
                    return await self._buffer(request, path, started_at, held)
        except (Problem, TimeoutError, ConnectionError) as error:
            if not begun:
                raise
            log.say(f"answer broken off: {error or 'it took too long'}")
            break_off(request)
            return begun[0]

    async def _stream(
        self, request: web.BaseRequest, path: str, started_at: float, begun: list[Stream]
    ) -> web.StreamResponse:
        async with self._child(request, path, request.content_length) as child:
            feeding = asyncio.create_task(
                child.feed(pieces(request, self._settings.max_body_bytes))
            )
            try:
                piece = await child.stdout.read(CHUNK_BYTES)
                if not piece:
                    await self._check_end(child, feeding)
                response = Stream(headers=self._headers(request, piece, started_at))
                begun.append(response)
                await response.prepare(request)
                while piece:
                    await response.write(piece)
                    piece = await child.stdout.read(CHUNK_BYTES)
                await self._check_end(child, feeding)
            finally:
                feeding.cancel()
            return response

    async def _buffer(
        self, request: web.BaseRequest, path: str, started_at: float, held: Held
    ) -> web.Response:
        async with asyncio.timeout(self._settings.read_timeout or None):
            body = await whole(request, self._settings.max_body_bytes, held)
        if self._settings.marshal_request:
            body = request_environment.marshal(request.headers.items(), body)
        async with self._child(request, path, len(body)) as child:
            feeding = asyncio.create_task(child.feed(once(body)))
            output = bytearray()
            while piece := await child.stdout.read(CHUNK_BYTES):
                held.add(len(piece))
                output += piece
            await self._check_end(child, feeding, bytes(output) if self._is_combined else b"")
            feeding.cancel()
        if self._settings.write_debug:
            log.write([bytes(output)], b"")
        headers = self._headers(request, bytes(output), started_at)
        return web.Response(body=bytes(output), headers=headers)

    @contextlib.asynccontextmanager
    async def _child(
        self, request: web.BaseRequest, path: str, body_bytes: int | None
    ) -> AsyncIterator[Child]:
        settings = self._settings
        env = {**settings.env, **dict(self._variables(request, path, body_bytes))}
        for name in request_environment.NOT_FOR_THE_PROCESS:
            env.pop(name, None)
        try:
            child = await Child.start((*settings.limit, *settings.process), env, self._is_combined)
        except OSError as error:
            detail = f"{settings.process[0]} cannot be started: {error.strerror}"
            raise Problem(HTTPStatus.INTERNAL_SERVER_ERROR, detail) from error
        following = (
            asyncio.create_task(log.follow(child.stderr, "stderr", settings.prefix_logs))
            if child.stderr
            else None
        )
        try:
            yield child
        finally:
            await child.end()
            if following:  # what it left behind may keep the pipe
                await asyncio.wait([following], timeout=LAST_WORDS_SECONDS)
                following.cancel()
            child.close()

    def _variables(
        self, request: web.BaseRequest, path: str, body_bytes: int | None
    ) -> Iterator[tuple[str, str]]:
        if self._settings.cgi_headers:
            name, _, query = path.partition("?")
            yield from request_environment.variables(
                request.method, plain(name), query, request.headers.items(), body_bytes
            )

    async def _check_end(
        self, child: Child, feeding: asyncio.Task[None], output: bytes = b""
    ) -> None:
        """Wait for the end; raise Problem where it was no good one, or the body was none."""
        await child.exited.wait()
        if feeding.done():
            feeding.result()
        if child.status:
            how = ended_how(child.status)
            words = output.decode(errors="replace").strip()[-LAST_WORDS:]
            detail = f"{how}: {words}" if words else f"{how}; the function's log may say why"
            raise Problem(HTTPStatus.INTERNAL_SERVER_ERROR, detail)

    def _headers(self, request: web.BaseRequest, start: bytes, at: float) -> dict[str, str]:
        settings = self._settings
        known = settings.content_type or (
            request.headers.get("Content-Type") or sniff(start)
            if settings.mode == "classic"
            else BINARY
        )
        return {"Content-Type": known, "X-Duration-Seconds": f"{time.monotonic() - at:f}"}


async def once(body: bytes) -> AsyncIterator[bytes]:
    for at in range(0, len(body), CHUNK_BYTES):
        yield body[at : at + CHUNK_BYTES]


def plain(path: str) -> str:
    """Return a path's own bytes, unless there is one that no variable can hold."""
    found = unquote(path, errors="surrogateescape")
    return path if "\0" in found else found


def sniff(output: bytes) -> str:
    try:
        output.decode()
    except UnicodeDecodeError:
        return BINARY
    return BINARY if b"\0" in output else "text/plain; charset=utf-8"
