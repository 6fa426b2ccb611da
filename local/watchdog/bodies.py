"""Bodies of requests and answers: how they pass, how many bytes of them may be held."""

from __future__ import annotations

from collections.abc import AsyncIterator
from http import HTTPStatus

from aiohttp import web

from local.watchdog.problem import Problem

CHUNK_BYTES = 64 * 1024
HELD_BYTES = 256 * 1024 * 1024  # of all requests under way


class Held:
    """What is kept of one request; all of them share a budget."""

    total = 0

    def __init__(self) -> None:
        self._own = 0

    def __enter__(self) -> Held:
        return self

    def __exit__(self, *error: object) -> None:
        Held.total -= self._own

    def add(self, count: int) -> None:
        if Held.total + count > HELD_BYTES:
            raise Problem(
                HTTPStatus.SERVICE_UNAVAILABLE,
                f"bodies and answers under way are larger than {HELD_BYTES} bytes",
            )
        self._own += count
        Held.total += count


async def pieces(request: web.BaseRequest, most_bytes: int) -> AsyncIterator[bytes]:
    """Yield a body as it comes; raise Problem where it is too large or does not get to its end."""
    count = request.content_length or 0
    too_large = Problem(
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"the body is larger than {most_bytes} bytes"
    )
    if count > most_bytes:
        raise too_large
    count = 0
    async for piece in request.content.iter_chunked(CHUNK_BYTES):
        count += len(piece)
        if count > most_bytes:
            raise too_large
        yield piece


async def whole(request: web.BaseRequest, most_bytes: int, held: Held) -> bytes:
    found = bytearray()
    async for piece in pieces(request, most_bytes):
        held.add(len(piece))
        found += piece
    return bytes(found)


class Stream(web.StreamResponse):
    """An answer that is written piece by piece; to HEAD, and where there is no body, none of it."""

    async def write(self, data: bytes | bytearray | memoryview) -> None:
        if not self._must_be_empty_body:
            await super().write(data)


def break_off(request: web.BaseRequest) -> None:
    """End a connection so that the caller does not take a part of an answer for the whole."""
    if request.transport:
        request.transport.abort()
