"""HTTP clients that stay where they are sent, also where aiohttp lets nobody say so: WebSockets."""

from __future__ import annotations

from types import SimpleNamespace

import aiohttp


def refused() -> aiohttp.TraceConfig:
    """Make what has a handshake that is redirected end with WSServerHandshakeError."""
    config = aiohttp.TraceConfig()
    config.on_request_redirect.append(_refuse)
    return config


async def _refuse(
    session: aiohttp.ClientSession,
    context: SimpleNamespace,
    params: aiohttp.TraceRequestRedirectParams,
) -> None:
    response = params.response
    response.close()
    raise aiohttp.WSServerHandshakeError(
        response.request_info,
        response.history,
        message="it redirects",
        status=response.status,
        headers=response.headers,
    )
