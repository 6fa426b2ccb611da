"""A compose project as tests use it, from the machine that its containers run on."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pipeline.access.accounts import SETUP
from pipeline.names import FUNCTIONS
from pipeline.settings import Settings
from tests.compose.containers import Container, docker, logs, of_project, replicas
from tests.stack import Stack, operator_of, until

# What a local stack calls otherwise.
_SERVICES = {"nginx": "gateway"}
# Where the consumer and the provider have the folder that they share with tests.
MOUNTED = "/tests"


class ComposeStack(Stack):
    """A project that was started with `tests/compose/reach.yml`; takes Linux, and root."""

    def __init__(
        self, project: str, url: str, secrets_dir: Path, authority: Path | None = None
    ) -> None:
        self.project = project
        self._url = url.rstrip("/")
        self._authority = authority
        self._secrets_dir = secrets_dir
        self._hosts: dict[str, tuple[int, str]] = {}
        found = self.containers("provider")
        assert found, f"docker knows no compose project {project}; COMPOSE_PROJECT_NAME names it"
        mounts = {each["Destination"]: each["Source"] for each in found[0].told["Mounts"]}
        assert MOUNTED in mounts, (
            f"{project} cannot be reached by tests: start it with"
            " `docker compose -f docker-compose.yml -f tests/compose/reach.yml up`"
        )
        self._shared = Path(mounts[MOUNTED])

    @property
    def url(self) -> str:
        """The gateway."""
        return self._url

    @property
    def authority(self) -> str | None:
        """Its own, where it speaks TLS."""
        return str(self._authority) if self._authority else None

    @property
    def consumer_url(self) -> str:
        """The consumer's health and metrics."""
        return f"http://{self._host('image-process-consumer')}:8082"

    @property
    def api_key_file(self) -> Path:
        """The key beside the secrets."""
        return self._secrets_dir / "api-key"

    @property
    def settings(self) -> Settings:
        """Settings of a client on this machine."""
        return Settings(
            minio_endpoint=f"{self._host('minio')}:9000",
            kafka_bootstrap_servers=f"{self._host('kafka')}:9092",
            redis_url=f"redis://{self._host('redis')}:6379/0",
            openfaas_url=f"http://{self._host('provider')}:8081",
            secrets_dir=str(self._secrets_dir),
            # Who looks from outside sees everything.
            account=SETUP,
            store_timeout_seconds=30.0,
        )

    @property
    def operator(self) -> dict[str, str]:
        """The addresses, as for any deployment that is not a local stack."""
        trusted = {"TLS_CA_FILE": self.authority} if self.authority else {}
        return {**operator_of(self.settings, self.url), **trusted}

    @property
    def deployer(self) -> dict[str, str]:
        """The names by which the parts find each other."""
        return {
            "MINIO_ENDPOINT": "minio:9000",
            "KAFKA_BOOTSTRAP_SERVERS": "kafka:9092",
            "REDIS_URL": "redis://redis:6379/0",
            "OPENFAAS_INTERNAL_URL": "http://provider:8081",
        }

    @property
    def shared(self) -> Path:
        """The folder that reach.yml mounts."""
        return self._shared

    def inside(self, path: Path) -> str:
        """Where the consumer and the provider have it."""
        return f"{MOUNTED}/{path.relative_to(self._shared)}"

    def pids(self, name: str) -> list[int]:
        """The first processes of a service's containers, or the replicas of a function."""
        if name in FUNCTIONS:
            return [pid for each in self.containers("provider") for pid in replicas(each, name)]
        return [each.pid for each in self.containers(name) if each.pid]

    @contextmanager
    def frozen(self, name: str) -> Iterator[None]:
        """Pause a service's container; its connections stay open."""
        running = until(lambda: [each for each in self.containers(name) if each.pid] or None)
        names = [each.id for each in running]
        docker("pause", *names)
        try:
            yield
        finally:
            docker("unpause", *names)

    def logs(self) -> Iterator[bytes]:
        """What the containers wrote, and the provider's files of the functions."""
        for each in self.containers():
            yield logs(each).encode()
            if each.service == "provider":
                folder = each.folder(each.variable("STATE_DIR")) / "logs"
                yield from (path.read_bytes() for path in folder.glob("*.log*"))

    def secret(self, name: str) -> str:
        """One of the secrets, which need no part to be there."""
        return (self._secrets_dir / name).read_text(encoding="utf-8").strip()

    def run(self, service: str, *words: str) -> subprocess.CompletedProcess[str]:
        """Run a command in one more container of a service, as an operator does."""
        command = ["docker", "compose", "-f", str(self.root / "docker-compose.yml")]
        return subprocess.run(
            [*command, "run", "--rm", "--no-deps", "-T", service, *words],
            env={
                **os.environ,
                "COMPOSE_PROJECT_NAME": self.project,
                "SECRETS_DIR": str(self._secrets_dir),
            },
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            timeout=180,
        )

    def _host(self, name: str) -> str:
        """Where a service answers now: when it is started again it may have another address."""
        pid, host = self._hosts.get(name, (0, ""))
        if not pid or not Path(f"/proc/{pid}").exists():
            there = until(lambda: self._answering(name) or None, 60)
            pid, host = there[0].pid, there[0].address
            self._hosts[name] = pid, host
        return host

    def _answering(self, name: str) -> list[Container]:
        return [each for each in self.containers(name) if each.pid and each.address]

    @property
    def services(self) -> set[str]:
        """Whatever is started again when it ends, by a local stack's names."""
        names = {service: name for name, service in _SERVICES.items()}
        kept = {each.service for each in self.containers() if each.is_kept}
        return {names.get(service, service) for service in kept}

    def containers(self, name: str = "") -> list[Container]:
        """Every container of a service, or of the project, running or not."""
        return of_project(self.project, _SERVICES.get(name, name))
