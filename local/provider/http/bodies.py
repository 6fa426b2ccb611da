"""Request bodies in memory: as sent, each within its limit, all of them within one budget."""

from __future__ import annotations

import asyncio
from http import HTTPStatus

from aiohttp import web

from local.provider.http.problem import Problem

MAX_HELD_BYTES = 512 * 1024 * 1024  # of all together; they are kept for a replay
IDLE_SECONDS = 15.0  # without a byte
WHOLE_SECONDS = 120.0  # from the first byte to the last


class Bodies:
    """Reads bodies, and counts what is held until it is given back.

    Args:
        most_bytes: of one body.
        most_held_bytes: of all together.
        idle_seconds: without a byte.
        whole_seconds: from the first byte of a body to the last.
    """

    def __init__(
        self,
        most_bytes: int,
        most_held_bytes: int = MAX_HELD_BYTES,
        idle_seconds: float = IDLE_SECONDS,
        whole_seconds: float = WHOLE_SECONDS,
    ) -> None:
        self.most_bytes = most_bytes
        self._most_held_bytes = max(most_bytes, most_held_bytes)
        self.idle_seconds = idle_seconds
        self.whole_seconds = whole_seconds
        self.held_bytes = 0

    async def read(self, request: web.Request, most_bytes: int | None = None) -> bytes:
        """Return the body; it counts as held until `give_back`.

        Raises:
            Problem: it is too large, encoded, broken or too slow, or there is no room for it.
        """
        most_bytes = self.most_bytes if most_bytes is None else most_bytes
        check_encoding(request)
        if not request.can_read_body:
            return b""
        check_size(request.content_length or 0, most_bytes)
        pieces: list[bytes] = []
        try:
            async with asyncio.timeout(self.idle_seconds) as patience:
                await self._collect(request, most_bytes, pieces, patience)
        except BaseException as error:
            self.give_back(sum(map(len, pieces)))
            if isinstance(error, TimeoutError):
                raise self.too_slow() from error
            if isinstance(error, web.RequestPayloadError):
                detail = "the body cannot be read: its chunks or its length are wrong"
                raise Problem(HTTPStatus.BAD_REQUEST, detail) from error
            raise
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def hold(self, size: int) -> None:
        """Count so many bytes as held; raise Problem where there is no room for them."""
        if self.held_bytes + size > self._most_held_bytes:
            raise Problem(HTTPStatus.SERVICE_UNAVAILABLE, "too many bodies are in memory")
        self.held_bytes += size

    def too_slow(self) -> Problem:
        detail = f"no byte of the body came for {self.idle_seconds:g} s, or not all in"
        return Problem(HTTPStatus.REQUEST_TIMEOUT, f"{detail} {self.whole_seconds:g} s")

    def give_back(self, size: int) -> None:
        """Count so many bytes as held no longer."""
        self.held_bytes -= size

    async def _collect(
        self,
        request: web.Request,
        most_bytes: int,
        pieces: list[bytes],
        patience: asyncio.Timeout,
    ) -> None:
        now = asyncio.get_running_loop().time
        last_moment = now() + self.whole_seconds
        size = 0
        async for piece in request.content.iter_any():
            size += len(piece)
            check_size(size, most_bytes)
            self.hold(len(piece))
            pieces.append(piece)
            patience.reschedule(min(now() + self.idle_seconds, last_moment))


def check_encoding(request: web.Request) -> None:
    """Refuse a body that is not as it is; what is counted would not be what is held."""
    encodings = request.headers.getall("Content-Encoding", [])
    if found := [name for name in encodings if name.strip().lower() not in ("", "identity")]:
        detail = f"Content-Encoding is {', '.join(found)[:100]!r}; send the bytes as they are"
        raise Problem(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, detail)


def check_framing(request: web.Request) -> None:
    """Refuse a body whose end two servers could see at different places."""
    encodings = request.headers.getall("Transfer-Encoding", [])
    if found := [name for name in encodings if name.strip().lower() != "chunked"]:
        detail = f"Transfer-Encoding is {', '.join(found)[:100]!r}; send chunks or a length"
        raise Problem(HTTPStatus.NOT_IMPLEMENTED, detail)


def check_size(size: int, most_bytes: int) -> None:
    if size > most_bytes:
        detail = f"body is {size} bytes; the limit is {most_bytes} bytes"
        raise Problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, detail)
