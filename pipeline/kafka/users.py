"""How the broker comes to know the accounts: their passwords, and what each may do."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Iterable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, cast

from confluent_kafka import KafkaException
from confluent_kafka.admin import (
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialAlteration,
    UserScramCredentialUpsertion,
)

from pipeline.access import accounts
from pipeline.access.accounts import GROUPS, KAFKA, Account
from pipeline.access.kafka_grants import CLUSTER, GROUP, TOPIC, Grant, grants
from pipeline.access.login import Login, names_of
from pipeline.errors import Unavailable
from pipeline.kafka import clients
from pipeline.settings import Settings

logger = logging.getLogger(__name__)

_TIMEOUT_SECONDS = 30.0
_MECHANISM = ScramMechanism.SCRAM_SHA_256
# The least that Kafka takes. It makes guessing of weak passwords dear; these are 256 random bits.
_ITERATIONS = 4096
# The cluster is what the client calls a broker.
_KINDS = {
    TOPIC: ResourceType.TOPIC,
    GROUP: ResourceType.GROUP,
    CLUSTER: ResourceType.BROKER,
}


def apply(client: AdminClient, settings: Settings) -> None:
    """Have every account as its login file and rights say.

    Raises:
        SettingsError: an account's login cannot be read.
        KafkaException: the broker refused, or did not answer.
    """
    if settings.kafka_security_protocol == clients.PLAINTEXT:
        return
    logins = {
        account.name: replace(settings, account=account.name).secrets.login(KAFKA).now()
        for account in accounts.having(KAFKA)
    }
    _have(client, logins.values())
    _drop(client, [name for each in logins.items() for name in _others(*each)])
    _allow(client, settings)


class BrokerUsers:
    """The accounts as the broker has them.

    Args:
        settings: of the super user's account.
    """

    def __init__(self, settings: Settings) -> None:
        self._client = clients.AdminClient(settings)

    def have(self, account: Account, login: Login) -> None:
        """Let an account in by this login; its rights are those of either name.

        Raises:
            Unavailable: the broker did not do it.
        """
        with _told():
            _have(self._client, [login])

    def drop_others(self, account: Account, login: Login) -> None:
        """Let nobody in by the account's other name any more; raises as `have`."""
        with _told():
            _drop(self._client, _others(account.name, login))


@contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except KafkaException as error:
        raise Unavailable(f"Kafka does not change its users: {error.args[0].str()}") from error


def _have(client: AdminClient, logins: Iterable[Login]) -> None:
    """Let accounts in by these passwords, whatever they had before."""
    changes: list[UserScramCredentialAlteration] = [
        UserScramCredentialUpsertion(
            login.name, ScramCredentialInfo(_MECHANISM, _ITERATIONS), login.password.encode()
        )
        for login in logins
    ]
    _wait(client.alter_user_scram_credentials(changes).values())


def _drop(client: AdminClient, names: Iterable[str]) -> None:
    """Refuse these names from now on: by a password that nobody knows.

    Not by taking them away: Kafka 4.3 loses all credentials when it reads at a start that one was
    removed, and comes upon that one first (`ScramDelta.apply`).
    """
    told = cast("Future[dict[str, Any]]", client.describe_user_scram_credentials())
    known = told.result(_TIMEOUT_SECONDS)
    if refused := [Login(name, secrets.token_urlsafe(32)) for name in names if name in known]:
        _have(client, refused)


def _others(account: str, login: Login) -> list[str]:
    return [name for name in names_of(account) if name != login.name]


def _allow(client: AdminClient, settings: Settings) -> None:
    """Allow what the table says, and take away what it does not say of our accounts."""
    wanted = {
        (_principal(name), grant)
        for account in accounts.having(KAFKA)
        for grant in _grants(account, settings)
        for name in names_of(account.name)
    }
    found = {
        (binding.principal, _grant_of(binding)): binding
        for binding in client.describe_acls(_any()).result(_TIMEOUT_SECONDS)
    }
    ours = {_principal(name) for each in accounts.ACCOUNTS for name in names_of(each.name)}
    missing = [_binding(*each) for each in sorted(wanted - found.keys())]
    surplus = [found[each] for each in found.keys() - wanted if each[0] in ours]
    if missing:
        _wait(client.create_acls(missing).values())
        logger.info("rights given", extra={"count": len(missing)})
    if surplus:
        _wait(client.delete_acls([_exactly(each) for each in surplus]).values())
        logger.info("rights taken away", extra={"count": len(surplus)})


def _grants(account: Account, settings: Settings) -> list[Grant]:
    groups = {word: str(getattr(settings, name)) for word, name in GROUPS.items()}
    return grants(account, groups)


def _principal(name: str) -> str:
    return f"User:{name}"


def _binding(principal: str, grant: Grant) -> AclBinding:
    return AclBinding(
        _KINDS[grant.kind],
        grant.name,
        ResourcePatternType.LITERAL,
        principal,
        "*",
        AclOperation[grant.operation],
        AclPermissionType.ALLOW,
    )


def _grant_of(binding: AclBinding) -> Grant:
    kinds = {kind: name for name, kind in _KINDS.items()}
    kind = kinds.get(ResourceType(binding.restype), str(binding.restype))
    return Grant(kind, binding.name, AclOperation(binding.operation).name)


def _any() -> AclBindingFilter:
    # The client's types do not say that None is any name.
    any_name = cast(str, None)
    return AclBindingFilter(
        ResourceType.ANY,
        any_name,
        ResourcePatternType.ANY,
        any_name,
        any_name,
        AclOperation.ANY,
        AclPermissionType.ANY,
    )


def _exactly(binding: AclBinding) -> AclBindingFilter:
    return AclBindingFilter(
        binding.restype,
        binding.name,
        binding.resource_pattern_type,
        binding.principal,
        binding.host,
        binding.operation,
        binding.permission_type,
    )


def _wait(answers: Iterable[Future[Any]]) -> None:
    for answer in answers:
        answer.result(_TIMEOUT_SECONDS)
