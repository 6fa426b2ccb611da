"""Redis: results kept for a while. Losing all of it loses no answer."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar, cast

from redis import Redis
from redis.backoff import NoBackoff
from redis.credentials import CredentialProvider
from redis.exceptions import AuthenticationError, RedisError
from redis.retry import Retry

from pipeline import trust
from pipeline.access.accounts import REDIS
from pipeline.access.login import Login, LoginFile
from pipeline.settings import Settings
from pipeline.telemetry import CACHE_LOOKUPS

logger = logging.getLogger(__name__)

Answer = TypeVar("Answer")

# Tenant, image id, model id.
ResultKey = tuple[str, str, str]

# How long a Redis that failed is left alone, so that not every request waits for its timeout.
_REST_SECONDS = 1.0


class Client:
    """One connection pool to Redis, which nobody waits for and nobody needs."""

    def __init__(self, settings: Settings, clock: Callable[[], float] = time.monotonic) -> None:
        self._login = settings.secrets.later_login(REDIS)
        self._connected_as: Login | None = None
        self._redis = Redis.from_url(
            settings.redis_url,
            socket_timeout=settings.cache_timeout_seconds,
            socket_connect_timeout=settings.cache_timeout_seconds,
            retry=Retry(NoBackoff(), 0),
            credential_provider=_Credentials(self._login),
            **trust.of_redis(settings),
        )
        self._ttl_seconds = settings.cache_ttl_seconds
        self._clock = clock
        self._rests_until = 0.0

    def answers(self) -> bool:
        """Tell whether Redis answers a PING now."""
        return self._try(lambda: bool(self._redis.ping()), False)

    def _renew(self) -> None:
        """Connect anew when the login has changed: who is known by the old one is cut off later."""
        login = _login_of(self._login)
        if login is not self._connected_as:
            if self._connected_as is not None:
                self._redis.connection_pool.disconnect(inuse_connections=False)
            self._connected_as = login

    def _try(self, command: Callable[[], Answer], otherwise: Answer) -> Answer:
        if self._clock() < self._rests_until:
            return otherwise
        try:
            self._renew()
            return command()
        except RedisError as error:
            self._rests_until = self._clock() + _REST_SECONDS
            logger.warning(
                "redis does not answer",
                extra={"reason": trust.said(error, "REDIS_URL") or str(error)},
            )
            return otherwise


class ResultCache(Client):
    """Results by tenant, image and model; every failure of Redis is a miss, never an error."""

    def get(self, tenant: str, image: str, model: str) -> bytes | None:
        """Read one result; None when it is not there or Redis does not answer."""
        return self.get_many([(tenant, image, model)])[0]

    def get_many(self, keys: Sequence[ResultKey]) -> list[bytes | None]:
        """Read several results in one round trip, in the order asked."""
        names = [_name(*key) for key in keys]
        nothing: list[bytes | None] = [None] * len(names)
        found = self._try(lambda: self._read(names), nothing) if names else nothing
        for value in found:
            CACHE_LOOKUPS.labels("miss" if value is None else "hit").inc()
        return found

    def put(self, tenant: str, image: str, model: str, result: bytes) -> None:
        """Keep one result for the time to live."""
        self.put_many({(tenant, image, model): result})

    def put_many(self, results: Mapping[ResultKey, bytes]) -> None:
        """Keep results for the time to live, in one round trip."""
        names = {_name(*key): result for key, result in results.items()}
        self._try(lambda: self._write(names), None)

    def _read(self, names: list[str]) -> list[bytes | None]:
        return cast("list[bytes | None]", self._redis.mget(names))

    def _write(self, results: Mapping[str, bytes]) -> None:
        with self._redis.pipeline(transaction=False) as pipe:
            for name, result in results.items():
                pipe.set(name, result, ex=self._ttl_seconds)
            pipe.execute()


def _login_of(login: LoginFile) -> Login:
    try:
        return login.now()
    except (OSError, ValueError) as error:
        raise AuthenticationError(f"no login in {login.path}: {error}") from error


class _Credentials(CredentialProvider):
    """Reads the login at every connect, so that a new one counts from then on."""

    def __init__(self, login: LoginFile) -> None:
        self._login = login

    def get_credentials(self) -> tuple[str, str]:
        login = _login_of(self._login)
        return login.name, login.password


def _name(tenant: str, image: str, model: str) -> str:
    return f"result:{tenant}:{image}:{model}"
