"""A WebSocket through the watchdog: messages pass both ways until one side closes."""

from __future__ import annotations

import asyncio

import aiohttp
from aiohttp import WSMsgType, web
from multidict import CIMultiDict

# The handshake of each side is its own.
HANDSHAKE = (
    "Sec-WebSocket-Key",
    "Sec-WebSocket-Version",
    "Sec-WebSocket-Extensions",
    "Sec-WebSocket-Protocol",
)

NEVER_SENT = (None, 1005, 1006, 1015)  # they say that none was, or that a connection broke

Either = web.WebSocketResponse | aiohttp.ClientWebSocketResponse


def is_asked_for(request: web.BaseRequest) -> bool:
    return request.headers.get("Upgrade", "").lower() == "websocket" and request.method == "GET"


async def bridge(
    request: web.BaseRequest,
    session: aiohttp.ClientSession,
    url: str,
    headers: CIMultiDict[str],
    most_bytes: int,
) -> web.StreamResponse:
    """Open one to the process, then answer; its refusal is the answer where it makes none."""
    named = request.headers.get("Sec-WebSocket-Protocol", "")
    protocols = [name.strip() for name in named.split(",") if name.strip()]
    for name in HANDSHAKE:
        headers.popall(name, None)
    try:
        behind = await session.ws_connect(
            url, headers=headers, protocols=protocols, autoping=False, max_msg_size=most_bytes
        )
    except aiohttp.WSServerHandshakeError as error:
        return web.Response(status=error.status, text=error.message)
    async with behind:
        chosen = [behind.protocol] if behind.protocol else []
        front = web.WebSocketResponse(
            protocols=chosen, autoping=False, compress=False, max_msg_size=most_bytes
        )
        await front.prepare(request)
        ways = [asyncio.create_task(pass_on(*pair)) for pair in ((front, behind), (behind, front))]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            await behind.close(code=sendable(front.close_code))
        await front.close(code=sendable(behind.close_code))
    return front


async def pass_on(source: Either, target: Either) -> None:
    """Pass messages on until the source closes, and close the target as it did."""
    while True:
        message = await source.receive()
        match message.type:
            case WSMsgType.TEXT:
                await target.send_str(message.data)
            case WSMsgType.BINARY:
                await target.send_bytes(message.data)
            case WSMsgType.PING:
                await target.ping(message.data)
            case WSMsgType.PONG:
                await target.pong(message.data)
            case _:
                await target.close(code=sendable(source.close_code))
                return


def sendable(code: int | None) -> int:
    """Return the code that one side closed with, where it may be sent to the other."""
    return aiohttp.WSCloseCode.GOING_AWAY if code in NEVER_SENT else code or 1000
