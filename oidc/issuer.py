"""The issuer's documents, fetched: from nowhere else, within bounds of size, time and number."""

from __future__ import annotations

import asyncio
import ssl
from typing import Any

import aiohttp

from oidc import keys
from oidc.keys import Key
from pipeline import strict_json
from pipeline.oidc_settings import Settings, fault, origin

# For all that it takes, so that Nginx, which waits 6 s, has an answer.
FETCH_SECONDS = 4.0
MAX_DISCOVERY_BYTES = 65_536
MAX_KEYS_BYTES = 262_144
_DISCOVERY = "/.well-known/openid-configuration"


class NoKeys(Exception):
    """They cannot be had now; the text says why."""


class Issuer:
    """Asks for keys; its connections end with each answer."""

    def __init__(self, settings: Settings) -> None:
        """Raise OSError or ValueError where the CA file cannot be read."""
        self._settings = settings
        self._tls = ssl.create_default_context(cafile=settings.ca_file or None)

    async def fetch(self) -> tuple[Key, ...]:
        """Fetch the keys.

        Raises:
            NoKeys: the issuer is down, slow, another, or says what nobody can use.
        """
        try:
            async with (
                asyncio.timeout(FETCH_SECONDS),
                aiohttp.ClientSession(
                    connector=aiohttp.TCPConnector(ssl=self._tls, force_close=True),
                    cookie_jar=aiohttp.DummyCookieJar(),
                    # What is packed may be any size; without it the bytes are counted as they come.
                    headers={"Accept": "application/json", "Accept-Encoding": "identity"},
                    auto_decompress=False,
                ) as session,
            ):
                url = self._settings.jwks_url or await self._discover(session)
                found = keys.read(await _document(session, url, MAX_KEYS_BYTES))
        except TimeoutError as error:
            raise NoKeys(f"the issuer took more than {FETCH_SECONDS} s") from error
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise NoKeys(f"the issuer's keys cannot be fetched: {error}") from error
        if not found:
            raise NoKeys("the issuer has no key that can be used")
        return found

    async def _discover(self, session: aiohttp.ClientSession) -> str:
        url = self._settings.issuer.rstrip("/") + _DISCOVERY
        found = await _document(session, url, MAX_DISCOVERY_BYTES)
        if not isinstance(found, dict) or found.get("issuer") != self._settings.issuer:
            raise ValueError("its discovery document is another issuer's than OIDC_ISSUER")
        place = found.get("jwks_uri")
        if not isinstance(place, str) or fault(place) or origin(place) != origin(url):
            raise ValueError("its jwks_uri leads elsewhere; OIDC_JWKS_URL may name the place")
        return place


async def _document(session: aiohttp.ClientSession, url: str, most: int) -> Any:
    # A redirect could lead anywhere: it is an answer like any other that is not 200.
    async with session.get(url, allow_redirects=False) as answer:
        if answer.status != 200 or "Content-Encoding" in answer.headers:
            raise ValueError(f"{url} answers {answer.status}, or packed; expected 200, as it is")
        data = b""
        async for chunk in answer.content.iter_chunked(16_384):
            data += chunk
            if len(data) > most:
                raise ValueError(f"{url} has more than {most} bytes")
    return strict_json.parse(data, most)
