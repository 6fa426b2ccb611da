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

# Containers run as users of their own, and a mounted file keeps its owner: the folder is what keeps
# others away.
_IN_CONTAINERS = 0o444

# Those that learn who calls them. Nobody but this module reads the master key.
FUNCTIONS = ("image-upload", "image-classifier", "image-results")
MASTER_KEY = "gateway-master-key"

_API_TENANT = "default"
_PROVE_TENANT = "prove"  # of `imagectl prove`: what it sends stays apart from everybody's data


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
    for path in _api_keys(stack):
        _make_once(path, _random)
    _derive(stack.gateway_master_key_file, stack.secrets_dir)


def make_for_containers(folder: Path) -> None:
    """Make what is missing of the secrets, API keys included, in one folder."""
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)
    for name, value in {**_SECRETS, "api-key": _random, "prove-api-key": _random}.items():
        _make_once(folder / name, value, _IN_CONTAINERS)
    _derive(folder / MASTER_KEY, folder, _IN_CONTAINERS)


def read(stack: Stack, name: str) -> str:
    return (stack.secrets_dir / name).read_text(encoding="utf-8")


def api_keys(stack: Stack) -> dict[str, str]:
    """Every API key, and the tenant it stands for."""
    keys = _api_keys(stack)
    return {path.read_text(encoding="utf-8").strip(): tenant for path, tenant in keys.items()}


def function_keys(stack: Stack) -> dict[str, str]:
    """The key that the gateway signs tokens with, for each function that is ours."""
    return {name: read(stack, f"{name}-key") for name in FUNCTIONS}


def _derive(master: Path, folder: Path, mode: int = files.PRIVATE) -> None:
    """Make a key for each way that a token takes; no one of them tells another, or the master."""
    _make_once(master, _random)
    key = master.read_bytes()
    ways = {f"{name}-key": f"gateway → function {name}" for name in FUNCTIONS}
    ways["consumer-classifier-key"] = "consumer → function image-classifier"
    for name, way in ways.items():
        derived = hmac.digest(key, way.encode(), "sha256").hex()
        path = folder / name
        if not path.exists() or path.read_text(encoding="utf-8") != derived:
            files.write(path, derived, mode)


def _api_keys(stack: Stack) -> dict[Path, str]:
    return {stack.api_key_file: _API_TENANT, stack.prove_api_key_file: _PROVE_TENANT}


def _make_once(path: Path, value: Callable[[], str], mode: int = files.PRIVATE) -> None:
    if not path.exists():
        files.write(path, value(), mode)


if __name__ == "__main__":
    target = Path([*sys.argv[1:], os.environ.get("SECRETS_DIR") or ".secrets"][0])
    make_for_containers(target)
    print(f"The secrets are in {target}.")
