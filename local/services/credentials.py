"""The secrets of a stack: made once, each a file that only its owner reads.

`python3 -m local.services.credentials [FOLDER]` makes those of docker-compose.yml, in SECRETS_DIR
or .secrets when no folder is given.
"""

from __future__ import annotations

import base64
import hmac
import os
import secrets
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

from local.machine import files
from local.services import tls_settings
from local.services.certificates import authority
from local.services.progress import StepFailed
from local.services.settings import Stack
from local.services.tls_settings import Tls
from pipeline.access import accounts
from pipeline.access.accounts import KAFKA, MINIO, REDIS, SETUP, secret_name
from pipeline.access.login import Login, new
from pipeline.access.redis_users import user_file
from pipeline.names import FIRST_KEYS, FUNCTIONS

# Containers run as users of their own, and a mounted file keeps its owner: the folder is what keeps
# others away.
_IN_CONTAINERS = 0o444

# Nobody but this module reads it.
MASTER_KEY = "gateway-master-key"
# What Redis and Kafka read at their start.
REDIS_USERS = "redis-users"
KAFKA_LOGINS = "kafka-logins"
KAFKA_UI = "kafka-ui-settings"
_KAFKA_LOGINS = """\
KafkaServer {{
  org.apache.kafka.common.security.plain.PlainLoginModule required
    username="broker" password="{broker}" user_broker="{broker}" user_{name}="{password}";
  org.apache.kafka.common.security.scram.ScramLoginModule required;
}};
"""


def _random() -> str:
    return secrets.token_urlsafe(32)


# What kafka-ui reads; Spring takes a list from one place alone, so that all of it is here.
_KAFKA_UI = """\
kafka:
  clusters:
    - name: image-pipeline
      bootstrapServers: kafka:9092
      readOnly: true
      properties:
        security.protocol: SASL_PLAINTEXT
        sasl.mechanism: SCRAM-SHA-256
        sasl.jaas.config: >-
          org.apache.kafka.common.security.scram.ScramLoginModule required
          username="{name}" password="{password}";
"""
_ROOT = ("access", "secret")
_SECRETS: dict[str, Callable[[], str]] = {
    # MinIO's root, as MinIO itself reads it.
    "minio-access-key": lambda: f"pipeline-{secrets.token_hex(4)}",
    "minio-secret-key": _random,
    "job-signing-key": _random,
    "basic-auth-user": lambda: "admin",
    "basic-auth-password": _random,
}


def encryption_key() -> str:
    """A key for MinIO: its name, and 256 bits."""
    return f"image-pipeline:{base64.b64encode(secrets.token_bytes(32)).decode()}"


def make(stack: Stack) -> None:
    """Make what is missing; what is there stays, for stored data and clients depend on it."""
    stack.secrets_dir.mkdir(parents=True, exist_ok=True)
    stack.secrets_dir.chmod(0o700)
    for name, value in _SECRETS.items():
        _make_once(stack.secrets_dir / name, value)
    for name in FIRST_KEYS:
        _make_once(stack.api_key_file.with_name(name), _random)
    _make_once(stack.encryption_key_file, encryption_key)
    _derive(stack.gateway_master_key_file, stack.secrets_dir)
    _make_logins(stack.secrets_dir)


def make_for_containers(folder: Path) -> None:
    """Make what is missing of the secrets, API keys included, in one folder."""
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)
    for name, value in {**_SECRETS, **dict.fromkeys(FIRST_KEYS, _random)}.items():
        _make_once(folder / name, value, _IN_CONTAINERS)
    _make_once(folder / "minio-encryption-key", encryption_key, _IN_CONTAINERS)
    _derive(folder / MASTER_KEY, folder, _IN_CONTAINERS)
    _make_logins(folder, _IN_CONTAINERS)
    viewer = _login(folder, KAFKA, accounts.VIEWER)
    text = _KAFKA_UI.format(name=viewer.name, password=viewer.password)
    _write_if_other(folder / KAFKA_UI, text, _IN_CONTAINERS)


def had_one_login_for_all(stack: Stack) -> bool:
    """Tell whether the stack was started before each process had an account of its own."""
    root, own = (stack.secrets_dir / name for name in ("minio-access-key", "minio-setup"))
    return root.exists() and not own.exists()


def write_redis_users(folder: Path, mode: int = files.PRIVATE) -> None:
    """Write the users that Redis knows, as the files of their logins are now."""
    known = [*(each.name for each in accounts.having(REDIS)), SETUP]
    logins = {name: _login(folder, REDIS, name) for name in known}
    _write_if_other(folder / REDIS_USERS, user_file(accounts.having(REDIS), logins), mode)


def make_certificate_for_containers(folder: Path, tls: Tls) -> None:
    """Make, or renew, what docker-compose.tls.yml shows the gateway; the authority's key stays out.

    Raises:
        StepFailed: openssl is missing, or says why not.
    """
    own, shown = folder / "authority", folder / "tls"
    own.mkdir(parents=True, exist_ok=True)
    own.chmod(0o700)
    # As other containers call it, too.
    authority.have(own, "gateway", (*authority.own_names(tls), "gateway"))
    certificate, key = authority.issued(own, "gateway")
    sources = {"certificate.pem": certificate, "key.pem": key, "ca.pem": authority.certificate(own)}
    for name, source in sources.items():
        files.write(shown / name, source.read_text(encoding="utf-8"), _IN_CONTAINERS)


def read(stack: Stack, name: str) -> str:
    return (stack.secrets_dir / name).read_text(encoding="utf-8")


def _derive(master: Path, folder: Path, mode: int = files.PRIVATE) -> None:
    """Make a key for each way that a token takes; no one of them tells another, or the master."""
    _make_once(master, _random)
    key = master.read_bytes()
    ways = {f"{name}-key": f"gateway → function {name}" for name in FUNCTIONS}
    ways["consumer-classifier-key"] = "consumer → function image-classifier"
    ways["async-call-key"] = "async-call-consumer → itself, through Kafka"
    for name, way in ways.items():
        derived = hmac.digest(key, way.encode(), "sha256").hex()
        _write_if_other(folder / name, derived, mode)


def _make_logins(folder: Path, mode: int = files.PRIVATE) -> None:
    """Make a login for each account at each service that it uses, and set-up's at all of them."""
    for service in accounts.SERVICES:
        for account in accounts.having(service):
            path = folder / secret_name(service, account.name)
            _make_once(path, partial(_new_login, account.name), mode)
    root = [(folder / f"minio-{kind}-key").read_text(encoding="utf-8") for kind in _ROOT]
    _write_if_other(folder / secret_name(MINIO, SETUP), ":".join(root), mode)
    for service in (REDIS, KAFKA):
        _make_once(folder / secret_name(service, SETUP), lambda: f"{SETUP}:{_random()}", mode)
    _make_once(folder / "kafka-broker", _random, mode)
    write_redis_users(folder, mode)
    setup = _login(folder, KAFKA, SETUP)
    broker = (folder / "kafka-broker").read_text(encoding="utf-8")
    text = _KAFKA_LOGINS.format(broker=broker, name=setup.name, password=setup.password)
    _write_if_other(folder / KAFKA_LOGINS, text, mode)


def _login(folder: Path, service: str, account: str) -> Login:
    return Login.parse((folder / secret_name(service, account)).read_text(encoding="utf-8"))


def _new_login(account: str) -> str:
    return str(new(account))


def _write_if_other(path: Path, text: str, mode: int) -> None:
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        files.write(path, text, mode)


def _make_once(path: Path, value: Callable[[], str], mode: int = files.PRIVATE) -> None:
    if not path.exists():
        files.write(path, value(), mode)


if __name__ == "__main__":
    target = Path([*sys.argv[1:], os.environ.get("SECRETS_DIR") or ".secrets"][0])
    make_for_containers(target)
    wrong: list[str] = []
    told = tls_settings.read(os.environ, target, wrong)
    try:
        if wrong:
            raise StepFailed("; ".join(wrong))
        if told.is_own:
            make_certificate_for_containers(target, told)
    except StepFailed as error:
        sys.exit(str(error))
    print(f"The secrets are in {target}.")
