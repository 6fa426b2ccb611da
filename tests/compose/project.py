"""Compose projects for tests: the one that runs already, or one of a test's own."""

from __future__ import annotations

import ipaddress
import itertools
import json
import os
import secrets
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tests.compose.containers import docker
from tests.compose.stack import ComposeStack
from tests.ports import free_ports
from tests.stack import OF_TESTS, ROOT

_FILES = ("-f", str(ROOT / "docker-compose.yml"), "-f", str(ROOT / "tests/compose/reach.yml"))
_TLS_FILES = ("-f", str(ROOT / "docker-compose.tls.yml"))
_NETWORKS = "10.213.0.0/16"
# The images are built; a broker and a model are made new.
_UP_SECONDS = 900


def given_project(url: str) -> ComposeStack:
    """The project behind a gateway; COMPOSE_PROJECT_NAME and SECRETS_DIR say more of it."""
    project = os.environ.get("COMPOSE_PROJECT_NAME") or "image-pipeline"
    return ComposeStack(project, url, Path(os.environ.get("SECRETS_DIR") or ROOT / ".secrets"))


@contextmanager
def running_project(folder: Path, settings: Mapping[str, str]) -> Iterator[ComposeStack]:
    """Start a project with these settings; nothing of it is left when done.

    Args:
        folder: gets its secrets, and what it shares with tests.
        settings: with TLS="1" its gateway speaks TLS.
    """
    gateway, http, console = free_ports(3)
    is_tls = settings.get("TLS") == "1"
    files = (*_FILES, *(_TLS_FILES if is_tls else ()))
    authority = folder / "secrets" / "tls" / "ca.pem" if is_tls else None
    project = f"tests-{secrets.token_hex(4)}"
    (folder / "shared").mkdir(parents=True)
    (folder / "shared").chmod(0o777)
    environment = {
        **os.environ,
        **OF_TESTS,
        **settings,
        "COMPOSE_PROJECT_NAME": project,
        "SECRETS_DIR": str(folder / "secrets"),
        "GATEWAY_PORT": str(gateway),
        "GATEWAY_HTTP_PORT": str(http),
        "MINIO_CONSOLE_PORT": str(console),
        "TLS_DIR": str(folder / "secrets" / "tls"),
        "TEST_NET": free_network(),
        "TEST_FOLDER": str(folder / "shared"),
    }
    command = [sys.executable, "-m", "local.services.credentials", str(folder / "secrets")]
    subprocess.run(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, check=True)
    url = f"{'https' if is_tls else 'http'}://127.0.0.1:{gateway}"
    try:
        _compose(files, "up", "--detach", "--wait", "--no-build", environment=environment)
        yield ComposeStack(project, url, folder / "secrets", authority)
    finally:
        _compose(files, "down", "--volumes", "--timeout", "5", environment=environment)


def free_network() -> str:
    """Find a network of 256 addresses that docker does not use: its first three numbers."""
    ids = docker("network", "ls", "--quiet").split()
    told = json.loads(docker("network", "inspect", *ids))
    configs = itertools.chain.from_iterable(each["IPAM"]["Config"] or [] for each in told)
    taken = [ipaddress.ip_network(each["Subnet"]) for each in configs]
    candidates = ipaddress.ip_network(_NETWORKS).subnets(new_prefix=24)
    # Any of them: another run may choose before docker knows of ours.
    free = secrets.choice([each for each in candidates if not any(map(each.overlaps, taken))])
    return str(free.network_address).rpartition(".")[0]


def _compose(files: tuple[str, ...], *words: str, environment: Mapping[str, str]) -> None:
    done = subprocess.run(
        ["docker", "compose", *files, *words], cwd=ROOT, env=environment,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=_UP_SECONDS,
    )  # fmt: skip
    assert done.returncode == 0, f"docker compose {' '.join(words)}: {done.stdout}"
