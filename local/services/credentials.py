"""The secrets of a stack: made once, each a file that only its owner reads.

`python3 -m local.services.credentials [FOLDER]` makes those of docker-compose.yml, in SECRETS_DIR
or .secrets when no folder is given.
"""

from __future__ import annotations

import hmac
import os
import secrets
import sys
from collections.abc import Callable
from pathlib import Path

from local.machine import files
from local.services.settings import Stack
from pipeline.names import FIRST_KEYS, FUNCTIONS

# Containers run as users of their own, and a mounted file keeps its owner: the folder is what keeps
# others away.
_IN_CONTAINERS = 0o444

# Nobody but this module reads it.
MASTER_KEY = "gateway-master-key"


def _random() -> str:
    return secrets.token_urlsafe(32)


_SECRETS: dict[str, Callable[[], str]] = {
    "minio-access-key": lambda: f"pipeline-{secrets.token_hex(4)}",
    "minio-secret-key": _random,
    "job-signing-key": _random,
    "basic-auth-user": lambda: "admin",
    "basic-auth-password": _random,
}


def make(stack: Stack) -> None:
    """Make what is missing; what is there stays, for stored data and clients depend on it."""
    stack.secrets_dir.mkdir(parents=True, exist_ok=True)
    stack.secrets_dir.chmod(0o700)
    for name, value in _SECRETS.items():
        _make_once(stack.secrets_dir / name, value)
    for name in FIRST_KEYS:
        _make_once(stack.api_key_file.with_name(name), _random)
    _derive(stack.gateway_master_key_file, stack.secrets_dir)


def make_for_containers(folder: Path) -> None:
    """Make what is missing of the secrets, API keys included, in one folder."""
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)
    for name, value in {**_SECRETS, **dict.fromkeys(FIRST_KEYS, _random)}.items():
        _make_once(folder / name, value, _IN_CONTAINERS)
    _derive(folder / MASTER_KEY, folder, _IN_CONTAINERS)


def read(stack: Stack, name: str) -> str:
    return (stack.secrets_dir / name).read_text(encoding="utf-8")


def _derive(master: Path, folder: Path, mode: int = files.PRIVATE) -> None:
    """Make a key for each way that a token takes; no one of them tells another, or the master."""
    _make_once(master, _random)
    key = master.read_bytes()
    ways = {f"{name}-key": f"gateway → function {name}" for name in FUNCTIONS}
    ways["consumer-classifier-key"] = "consumer → function image-classifier"
    ways["async-call-key"] = "async-call-consumer → itself, through Kafka"
    ways["async-call-key"] = "async-call-consumer → itself, through Kafka"
    for name, way in ways.items():
        derived = hmac.digest(key, way.encode(), "sha256").hex()
        path = folder / name
        if not path.exists() or path.read_text(encoding="utf-8") != derived:
            files.write(path, derived, mode)


def _make_once(path: Path, value: Callable[[], str], mode: int = files.PRIVATE) -> None:
    if not path.exists():
        files.write(path, value(), mode)


if __name__ == "__main__":
    target = Path([*sys.argv[1:], os.environ.get("SECRETS_DIR") or ".secrets"][0])
    make_for_containers(target)
    print(f"The secrets are in {target}.")
