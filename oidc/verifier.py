"""The verifier's HTTP: Nginx asks it, by `auth_request`, whom a bearer token stands for."""

from __future__ import annotations

from aiohttp import web

from oidc import claims, tokens
from oidc.key_cache import KeyCache
from oidc.refusal import FORBIDDEN, UNAUTHORIZED, Refused, Unknown
from pipeline.oidc_settings import Settings
from pipeline.version import VERSION

# What Nginx reads (gateway/bearer.conf): whom the token stands for, as a key's record has it; "!"
# and what is wrong with it; "?" when nobody can tell.
CALLER_HEADER = "X-Caller"
SCOPE_HEADER = "X-Scope-Needed"
_NO_CONTENT = 204


class Verifier:
    """Answers 204 to a good token, 401 or 403 to any other: Nginx knows no other answers."""

    def __init__(self, settings: Settings, cache: KeyCache) -> None:
        self._settings = settings
        self._cache = cache

    def application(self) -> web.Application:
        """What is served."""
        application = web.Application()
        application.router.add_get("/verify", self._verify)
        application.router.add_get("/healthz", self._health)
        return application

    async def caller(self, authorization: str) -> claims.Caller:
        """Tell whom a token stands for.

        Raises:
            Refused: nobody, or nobody who may do anything here.
            Unknown: the issuer's keys are not at hand.
        """
        token = tokens.read(authorization)
        key = await self._cache.find(token.kid, token.algorithm)
        if key is None:
            raise Refused("that was signed with a key that its issuer does not have")
        return claims.caller(tokens.verify(token, key, self._settings), self._settings)

    async def _verify(self, request: web.Request) -> web.Response:
        status, told = await self._answer(request)
        return web.Response(status=status, headers={CALLER_HEADER: told})

    async def _answer(self, request: web.Request) -> tuple[int, str]:
        try:
            if len(request.headers.getall("Authorization", ())) > 1:
                raise Refused("beside another one")
            caller = await self.caller(request.headers.get("Authorization", ""))
        except Refused as refused:
            return refused.status, f"!{refused}"
        except Unknown:
            return UNAUTHORIZED, "?"
        is_allowed = caller.allows(request.headers.get(SCOPE_HEADER, ""))
        return _NO_CONTENT if is_allowed else FORBIDDEN, str(caller)

    async def _health(self, _: web.Request) -> web.Response:
        """Healthy also without keys: what is known goes on, and a restart would lose it."""
        said = {"message": self._cache.trouble} if self._cache.trouble else {}
        return web.json_response({"status": "ok", "version": VERSION, **said})
