"""What passes between caller and replica: headers, bodies, answers."""

from __future__ import annotations

import logging

import aiohttp
from aiohttp import web
from multidict import CIMultiDict, CIMultiDictProxy

from local.provider.http.server import Stream

logger = logging.getLogger(__name__)

MAX_WHOLE_ANSWER_BYTES = 1024 * 1024  # a larger one is passed on piece by piece
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
REQUEST_ONLY = {"host", "content-length", "expect"}  # told anew to the replica


def end_to_end(headers: CIMultiDictProxy[str]) -> CIMultiDict[str]:
    """Return the headers without those that are about one connection only."""
    named = {name.strip().lower() for name in headers.get("Connection", "").split(",")}
    dropped = HOP_BY_HOP | named
    return CIMultiDict(
        (key, value if value.isascii() else as_text(value))
        for key, value in headers.items()
        if key.lower() not in dropped
    )


def as_text(value: str) -> str:
    """Read as Latin-1, as HTTP does, what is no UTF-8: written as it is, it would be left out."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return value.encode(errors="surrogateescape").decode("latin-1")
    return value


def forwarded_headers(request: web.Request, call_id: str) -> CIMultiDict[str]:
    headers = end_to_end(request.headers)
    headers.setdefault("X-Forwarded-Host", request.headers.get("Host", ""))
    senders = [*headers.popall("X-Forwarded-For", []), request.remote or "unknown"]
    headers["X-Forwarded-For"] = ", ".join(senders)
    headers["X-Call-Id"] = call_id
    for name in REQUEST_ONLY:
        headers.popall(name, None)
    return headers


def is_small(upstream: aiohttp.ClientResponse) -> bool:
    length = upstream.content_length
    return length is not None and length <= MAX_WHOLE_ANSWER_BYTES


async def relay(
    request: web.Request, upstream: aiohttp.ClientResponse, whole: bytes | None, call_id: str
) -> web.StreamResponse:
    """Give the caller the replica's answer: at once, or piece by piece."""
    headers = end_to_end(upstream.headers)
    headers["X-Call-Id"] = call_id
    status, reason = upstream.status, upstream.reason
    if whole:
        headers.popall("Content-Length", None)
        return web.Response(status=status, reason=reason, headers=headers, body=whole)
    response = Stream(status=status, reason=reason, headers=headers)
    await response.prepare(request)
    try:
        async for piece in upstream.content.iter_any():
            await response.write(piece)
    except (aiohttp.ClientPayloadError, TimeoutError) as error:
        logger.warning("answer broken off", extra={"url": str(upstream.url), "reason": str(error)})
        if request.transport:
            request.transport.abort()  # so that the caller does not take it for the whole
    finally:
        upstream.close()
    return response
