"""How MinIO comes to have its buckets, and the accounts with what each may do.

`python -m pipeline.storage.administration` does it, as root, and changes nothing twice.
"""

from __future__ import annotations

import json
import logging
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from minio import Minio, MinioAdmin
from minio.credentials.providers import StaticProvider
from minio.error import MinioAdminException, MinioException, S3Error
from urllib3 import PoolManager, Retry, Timeout
from urllib3.exceptions import HTTPError

from pipeline import telemetry, trust
from pipeline.access import accounts
from pipeline.access.accounts import MINIO, SETUP, Account
from pipeline.access.login import Login, names_of
from pipeline.access.minio_policies import policy
from pipeline.errors import PipelineError, SettingsError, Unavailable
from pipeline.ids import BUCKETS
from pipeline.settings import Settings
from pipeline.storage.signing import REGION

logger = logging.getLogger(__name__)

_TIMEOUT_SECONDS = 30.0
# What MinIO answers to who is not known, or not by this password.
_UNKNOWN = frozenset({"InvalidAccessKeyId", "SignatureDoesNotMatch"})


def apply(settings: Settings) -> None:
    """Create the buckets that are missing; have every account as its login file and rights say.

    Raises:
        SettingsError: an account's login cannot be read.
        Unavailable: the store did not do it.
    """
    root = settings.secrets.login(MINIO).now()
    with _told():
        _make_buckets(_client(settings, root))
    users = Users(settings)
    for account in accounts.having(MINIO):
        login = replace(settings, account=account.name).secrets.login(MINIO).now()
        users.have(account, login)
        users.drop_others(account, login)


class Users:
    """The accounts as MinIO has them.

    Args:
        settings: of root's account.

    Raises:
        Unavailable: the store does not say.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        login = settings.secrets.login(MINIO).now()
        self._admin = MinioAdmin(
            endpoint=settings.minio_endpoint,
            credentials=StaticProvider(login.name, login.password),
            secure=bool(settings.minio_tls),
            region=REGION,
            http_client=_pool(settings),
        )
        with _told():
            self._policies: dict[str, Any] = json.loads(self._admin.policy_list())
            self._users: dict[str, Any] = json.loads(self._admin.user_list() or "{}")

    def have(self, account: Account, login: Login) -> None:
        """Let an account in by this login, with its rights as they are now.

        Raises:
            Unavailable: the store did not do it.
        """
        with _told():
            self._have(account, login)

    def drop_others(self, account: Account, login: Login) -> None:
        """Refuse the account's other name from now on; raises as `have`."""
        with _told():
            for name in names_of(account.name):
                if name != login.name and name in self._users:
                    self._admin.user_remove(name)
                    del self._users[name]

    def _have(self, account: Account, login: Login) -> None:
        wanted = policy(account)
        if _canonical(self._policies.get(account.name)) != _canonical(wanted):
            self._admin.policy_add(account.name, policy=wanted)
            self._policies[account.name] = wanted
        if login.name not in self._users or not self._is_let_in(login):
            self._admin.user_add(login.name, login.password)
            self._users[login.name] = {}
            logger.info("account made", extra={"account": login.name})
        if self._users[login.name].get("policyName") != account.name:
            self._admin.policy_set(account.name, user=login.name)
            self._users[login.name] = {"policyName": account.name}

    def _is_let_in(self, login: Login) -> bool:
        try:
            # Not a HEAD: its answer does not say why it is a refusal.
            next(iter(_client(self._settings, login).list_objects(BUCKETS[0])), None)
        except S3Error as error:
            return error.code not in _UNKNOWN
        return True


def _make_buckets(client: Minio) -> None:
    for bucket in BUCKETS:
        if not client.bucket_exists(bucket):
            client.make_bucket(bucket)
            logger.info("bucket created", extra={"bucket": bucket})


def _client(settings: Settings, login: Login) -> Minio:
    return Minio(
        settings.minio_endpoint,
        access_key=login.name,
        secret_key=login.password,
        secure=bool(settings.minio_tls),
        region=REGION,
        http_client=_pool(settings),
    )


def _pool(settings: Settings) -> PoolManager:
    return PoolManager(
        timeout=Timeout(_TIMEOUT_SECONDS),
        retries=Retry(3, backoff_factor=0.2),
        ssl_context=trust.of_pool(settings),
    )


def _canonical(told: Mapping[str, Any] | None) -> object:
    """A policy as MinIO may have rewritten it: what is a list there has no order."""
    if not told:
        return None
    statements = [
        (
            each["Effect"],
            *(sorted(_list(each[name])) for name in ("Action", "Resource")),
            json.dumps(each.get("Condition", {}), sort_keys=True),
        )
        for each in told["Statement"]
    ]
    return sorted(statements)


def _list(text: str | list[str]) -> list[str]:
    return [text] if isinstance(text, str) else text


@contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except (MinioException, MinioAdminException, HTTPError) as error:
        told = error.code if isinstance(error, S3Error) else f"{type(error).__name__}: {error}"
        reason = trust.said(error, "MINIO_ENDPOINT") or told
        raise Unavailable(f"MinIO does not answer: {reason}") from error


def main() -> int:
    """Return 0, or 1 with what is wrong."""
    try:
        settings = Settings.from_env(os.environ, SETUP)
        telemetry.configure("buckets", settings.log_level)
        apply(settings)
    except (PipelineError, SettingsError) as error:
        print(f"buckets: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
