"""Which keys are known now: when the issuer is asked anew, and for how long it need not answer."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable

from oidc.issuer import NoKeys
from oidc.keys import Key, choose
from oidc.refusal import Unknown

logger = logging.getLogger(__name__)

# Tokens that name keys that nobody has must not make us ask without end: 12 times a minute.
ASK_EVERY_SECONDS = 5.0
# How long keys are good while the issuer cannot be asked whether they still are.
MOST_STALE_SECONDS = 86_400.0


class KeyCache:
    """Keys by their names; of one event loop."""

    def __init__(
        self,
        fetch: Callable[[], Awaitable[tuple[Key, ...]]],
        fresh_seconds: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._fetch = fetch
        self._fresh_seconds = fresh_seconds
        self._clock = clock
        self._keys: tuple[Key, ...] = ()
        self._fetched = self._asked = float("-inf")
        self._asking: asyncio.Task[None] | None = None
        # Of the last time that the issuer was asked; empty: it has answered.
        self.trouble = "the issuer was not asked yet"

    async def find(self, kid: str | None, algorithm: str) -> Key | None:
        """Find a key; None: the issuer has none of this name.

        Raises:
            Unknown: the issuer has to be asked, and does not answer.
        """
        key = choose(self._usable(), kid, algorithm)
        if key is None:
            await self.renew()
            key = choose(self._usable(), kid, algorithm)
            if key is None and self.trouble:
                raise Unknown(self.trouble)
        elif self._clock() - self._fetched > self._fresh_seconds:
            # Who has a key that is known waits for nobody.
            self._ask()
        return key

    async def renew(self) -> None:
        """Have the issuer asked, and wait for it; nothing if it was a moment ago."""
        if task := self._ask():
            # One caller that goes away takes the answer from no other.
            await asyncio.shield(task)

    def _usable(self) -> tuple[Key, ...]:
        return self._keys if self._clock() - self._fetched < MOST_STALE_SECONDS else ()

    def _ask(self) -> asyncio.Task[None] | None:
        if self._asking is None and self._clock() - self._asked >= ASK_EVERY_SECONDS:
            self._asked = self._clock()
            self._asking = asyncio.create_task(self._ask_now())
        return self._asking

    async def _ask_now(self) -> None:
        try:
            self._keys, self._fetched = await self._fetch(), self._clock()
            self.trouble = ""
        except NoKeys as error:
            self.trouble = str(error)
            logger.warning("no keys", extra={"reason": self.trouble})
        finally:
            self._asking = None
