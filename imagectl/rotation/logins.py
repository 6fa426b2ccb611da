"""An account's new logins: let in beside the old ones, given to its process, then alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from imagectl.rotation.delivery import Delivery
from pipeline.access import accounts
from pipeline.access.accounts import KAFKA, MINIO, REDIS, SETUP, Account
from pipeline.access.login import Login, new
from pipeline.access.redis_users import user_file
from pipeline.errors import SettingsError
from pipeline.kafka.users import BrokerUsers
from pipeline.names import FUNCTIONS
from pipeline.settings import Settings
from pipeline.storage.administration import Users
from pipeline.storage.cache_users import CacheUsers

REDIS_USERS = "redis-users"


class ServiceUsers(Protocol):
    """A service's users."""

    def have(self, account: Account, login: Login) -> None:
        """Let an account in by this login."""

    def drop_others(self, account: Account, login: Login) -> None:
        """Refuse its other name from now on."""


class Logins:
    """Changes the logins of accounts, in two steps with time between them.

    Args:
        settings: of set-up's account.
    """

    def __init__(self, settings: Settings, delivery: Delivery) -> None:
        self._settings = settings
        self._delivery = delivery
        self._users: dict[str, ServiceUsers] = {}
        self._given: list[tuple[str, Account, Login]] = []

    def give(self, account: Account) -> None:
        """Let an account in by new logins, and hand them to its process.

        Raises:
            SettingsError: a login cannot be read or written.
            Unavailable: a service did not take one.
        """
        for service in accounts.SERVICES:
            if account.rights(service):
                name = accounts.secret_name(service, account.name)
                login = new(account.name, self._parsed(name))
                self._change(service).have(account, login)
                self._delivery.give(name, str(login), to_functions=account.name in FUNCTIONS)
                self._given.append((service, account, login))
                if service == REDIS:
                    self._write_redis_users()

    def refuse_old(self) -> None:
        """Refuse the logins in whose place others were given; raises as `give`."""
        for service, account, login in self._given:
            self._change(service).drop_others(account, login)
        self._given.clear()

    def _change(self, service: str) -> ServiceUsers:
        if service not in self._users:
            make: dict[str, Callable[[Settings], ServiceUsers]] = {
                MINIO: Users,
                KAFKA: BrokerUsers,
                REDIS: CacheUsers,
            }
            self._users[service] = make[service](self._settings)
        return self._users[service]

    def _parsed(self, name: str) -> Login:
        try:
            return Login.parse(self._delivery.read(name))
        except ValueError as error:
            raise SettingsError(f"secret {name} holds no login: {error}") from error

    def _write_redis_users(self) -> None:
        """Have the file that Redis reads at its next start say the same."""
        known = accounts.having(REDIS)
        names = [*(account.name for account in known), SETUP]
        logins = {name: self._parsed(accounts.secret_name(REDIS, name)) for name in names}
        self._delivery.give(REDIS_USERS, user_file(known, logins), to_functions=False)
