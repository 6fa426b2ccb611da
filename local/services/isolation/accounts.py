"""Which part of a stack is which user, and which files each of them reads or has as its own."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from local.services.settings import Stack
from pipeline.access import accounts
from pipeline.access.accounts import KAFKA, MINIO, SERVICES, SETUP, secret_name
from pipeline.names import FUNCTIONS

NGINX = "nginx"
# By their place in the block: whoever is new comes last, or files would change their owner.
USERS = (
    SETUP,
    NGINX,
    "redis",
    "kafka",
    "minio",
    "image-process-consumer",
    "async-call-consumer",
    "classifier-autoscaler",
    "reconciler",
    "token-verifier",
)
# From here on in the block: a user for each function.
FUNCTIONS_FROM = 32
# Parts that are another user than their name says.
_AS = {"topics": SETUP, "buckets": SETUP, "kafka-format": "kafka"}
# Root's: the provider starts processes as users of their own, and has no right but those that this
# takes; the others read and write what is the operator's, and speak with nobody.
PROVIDER = "provider"
OF_ROOT = (PROVIDER, "keys", "certificates")


@dataclass(frozen=True)
class Belongings:
    """What is a user's.

    Attributes:
        secrets: names in SECRETS_DIR that it reads.
        reads: what else is root's, and this user's alone to read.
        owns: folders that are its own.
    """

    secrets: tuple[str, ...] = ()
    reads: tuple[Path, ...] = ()
    owns: tuple[Path, ...] = ()


def user_of(part: str) -> str | None:
    """Tell as which user a part runs; None: as root."""
    name = _AS.get(part, part)
    return name if name in USERS else None


def home(stack: Stack, user: str) -> Path:
    """A user's own folder: its home, its temporary files, what it keeps of its own."""
    return stack.state_dir / "homes" / user


def belongings(stack: Stack, user: str) -> Belongings:
    own = home(stack, user)
    known = {
        SETUP: Belongings(secrets=_set_up()),
        NGINX: Belongings(
            reads=(stack.gateway_dir, stack.keys_dir),
            owns=(stack.gateway_dir / "tmp", stack.keys_used_dir),
        ),
        "redis": Belongings(("redis-users",), owns=(stack.data_dir("redis"),)),
        "kafka": Belongings(("kafka-logins",), owns=(stack.data_dir("kafka"),)),
        "minio": Belongings(
            ("minio-access-key", "minio-secret-key"),
            (stack.encryption_key_file,),
            (stack.data_dir("minio"), stack.state_dir / "minio-certificates"),
        ),
        "image-process-consumer": Belongings(("consumer-classifier-key",)),
        "async-call-consumer": Belongings(
            ("async-call-key", *(f"{name}-key" for name in FUNCTIONS))
        ),
        "classifier-autoscaler": Belongings(("basic-auth-user", "basic-auth-password")),
        "reconciler": Belongings(("job-signing-key",)),
    }.get(user, Belongings())
    return Belongings((*known.secrets, *_logins(user)), known.reads, (own, *known.owns))


def groups(user: str) -> tuple[str, ...]:
    """Whose secrets it reads beside its own: set-up makes the accounts of others known."""
    if user != SETUP:
        return ()
    return tuple(name for name in USERS if name != SETUP and _logins(name))


def _logins(user: str) -> tuple[str, ...]:
    """The logins of the account of that name, if there is one."""
    return tuple(
        secret_name(service, user)
        for service in SERVICES
        if user in {account.name for account in accounts.having(service)}
    )


def _set_up() -> tuple[str, ...]:
    """Its own logins, and those of accounts whose process is no user: functions, people."""
    others = [
        secret_name(service, account.name)
        for service in (MINIO, KAFKA)
        for account in accounts.having(service)
        if account.name not in USERS
    ]
    return (*(secret_name(service, SETUP) for service in (MINIO, KAFKA)), *others)
