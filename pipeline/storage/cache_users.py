"""How a running Redis comes to know another login of an account; at its start it reads a file.

`python -m pipeline.storage.cache_users` lets in all accounts, where Redis reads no file of ours.
"""

from __future__ import annotations

import sys
from dataclasses import replace

from redis import Redis
from redis.exceptions import RedisError

from pipeline import trust
from pipeline.access import accounts, redis_users
from pipeline.access.accounts import REDIS, SETUP, Account
from pipeline.access.login import Login, names_of
from pipeline.errors import SettingsError, Unavailable
from pipeline.settings import Settings

_TIMEOUT_SECONDS = 10.0


class CacheUsers:
    """The accounts as Redis has them.

    Args:
        settings: of whoever may change them.
    """

    def __init__(self, settings: Settings) -> None:
        login = settings.secrets.login(REDIS).now()
        self._redis = Redis.from_url(
            settings.redis_url,
            username=login.name,
            password=login.password,
            socket_timeout=_TIMEOUT_SECONDS,
            socket_connect_timeout=_TIMEOUT_SECONDS,
            **trust.of_redis(settings),
        )

    def have(self, account: Account, login: Login) -> None:
        """Let an account in by this login.

        Raises:
            Unavailable: Redis did not do it.
        """
        self._ask("ACL SETUSER", login.name, *redis_users.rules(account, login))

    def drop_others(self, account: Account, login: Login) -> None:
        """Refuse the account's other name, and cut off who is connected by it; raises as `have`."""
        others = [name for name in names_of(account.name) if name != login.name]
        self._ask("ACL DELUSER", *others)

    def _ask(self, *words: str) -> None:
        try:
            self._redis.execute_command(*words)  # type: ignore[no-untyped-call]
        except RedisError as error:
            reason = trust.said(error, "REDIS_URL") or error
            raise Unavailable(f"Redis does not change its users: {reason}") from error


def apply(settings: Settings) -> None:
    """Let in every account by its login, with its rights as they are now.

    Args:
        settings: of whoever may change users.

    Raises:
        SettingsError: an account's login cannot be read.
        Unavailable: Redis did not do it.
    """
    users = CacheUsers(settings)
    for account in accounts.having(REDIS):
        login = replace(settings, account=account.name).secrets.login(REDIS).now()
        users.have(account, login)
        users.drop_others(account, login)


if __name__ == "__main__":
    try:
        apply(Settings.of_this_process(SETUP))
    except (SettingsError, Unavailable) as error:
        sys.exit(f"cache users: {error}")
