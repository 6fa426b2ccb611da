"""A compose project as tests use it: its containers, their processes, and where they answer."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.settings import Settings
from tests.stack import FUNCTIONS, Stack, until

_PROJECT, _SERVICE = "com.docker.compose.project", "com.docker.compose.service"
# What a local stack calls otherwise.
_SERVICES = {"nginx": "gateway"}
# Where the consumer and the provider have the folder that they share with tests.
MOUNTED = "/tests"
_DOCKER_SECONDS = 60


@dataclass(frozen=True)
class Container:
    """One container of a service, as docker describes it now."""

    told: Mapping[str, Any]

    @property
    def id(self) -> str:
        """What docker calls it."""
        return str(self.told["Id"])

    @property
    def service(self) -> str:
        """The service of the compose file."""
        return str(self.told["Config"]["Labels"][_SERVICE])

    @property
    def pid(self) -> int:
        """Its first process, as this machine numbers it; 0 when it is not running."""
        return int(self.told["State"]["Pid"])

    @property
    def is_kept(self) -> bool:
        """Whether it is started again when it ends; what only prepares the others is not."""
        return self.told["HostConfig"]["RestartPolicy"]["Name"] not in ("", "no", "on-failure")

    @property
    def address(self) -> str:
        """Its address on the inner network, which it keeps whatever is killed."""
        networks = self.told["NetworkSettings"]["Networks"]
        (inner,) = (each for name, each in networks.items() if name.endswith("_inner"))
        return str((inner["IPAMConfig"] or {}).get("IPv4Address", ""))

    def variable(self, name: str) -> str:
        """A variable of its environment."""
        variables = dict(each.split("=", 1) for each in self.told["Config"]["Env"])
        return str(variables[name])

    def folder(self, path: str) -> Path:
        """A folder of its file system, as this machine sees it while it runs."""
        return Path(f"/proc/{self.pid}/root{path}")


class ComposeStack(Stack):
    """A project that was started with `tests/compose/reach.yml`; takes Linux, and root."""

    def __init__(self, project: str, url: str, secrets_dir: Path) -> None:
        self.project = project
        self._url = url.rstrip("/")
        self._secrets_dir = secrets_dir
        found = {each.service: each for each in self.containers()}
        parts = ("minio", "kafka", "redis", "provider", "image-process-consumer")
        assert found, f"docker knows no compose project {project}; COMPOSE_PROJECT_NAME names it"
        self._hosts = {name: found[name].address for name in parts}
        assert all(self._hosts.values()), (
            f"the parts of {project} have no addresses of their own: start it with"
            " `-f docker-compose.yml -f tests/compose/reach.yml`"
        )
        mounts = {each["Destination"]: each["Source"] for each in found["provider"].told["Mounts"]}
        self._shared = Path(mounts[MOUNTED])

    @property
    def url(self) -> str:
        """The gateway."""
        return self._url

    @property
    def consumer_url(self) -> str:
        """The consumer's health and metrics."""
        return f"http://{self._hosts['image-process-consumer']}:8082"

    @property
    def api_key_file(self) -> Path:
        """The key beside the secrets."""
        return self._secrets_dir / "api-key"

    @property
    def settings(self) -> Settings:
        """Settings of a client on this machine."""
        return Settings(
            minio_endpoint=f"{self._hosts['minio']}:9000",
            kafka_bootstrap_servers=f"{self._hosts['kafka']}:9092",
            redis_url=f"redis://{self._hosts['redis']}:6379/0",
            openfaas_url=f"http://{self._hosts['provider']}:8081",
            secrets_dir=str(self._secrets_dir),
            store_timeout_seconds=30.0,
        )

    @property
    def operator(self) -> dict[str, str]:
        """The addresses, as for any deployment that is not a local stack."""
        settings = self.settings
        return {
            **os.environ,
            "MINIO_ENDPOINT": settings.minio_endpoint,
            "KAFKA_BOOTSTRAP_SERVERS": settings.kafka_bootstrap_servers,
            "REDIS_URL": settings.redis_url,
            "OPENFAAS_URL": settings.openfaas_url,
            "SECRETS_DIR": settings.secrets_dir,
            "GATEWAY_URL": self.url,
            "API_KEY_FILE": str(self._secrets_dir / "prove-api-key"),
        }

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
            return [pid for each in self.containers("provider") for pid in _replicas(each, name)]
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
            yield docker("logs", each.id)
            if each.service == "provider":
                folder = each.folder(each.variable("STATE_DIR")) / "logs"
                yield from (path.read_bytes() for path in folder.glob("*.log*"))

    @property
    def services(self) -> set[str]:
        """Whatever is started again when it ends, by a local stack's names."""
        names = {service: name for name, service in _SERVICES.items()}
        kept = {each.service for each in self.containers() if each.is_kept}
        return {names.get(service, service) for service in kept}

    def containers(self, name: str = "") -> list[Container]:
        """Every container of a service, or of the project, running or not."""
        labels = [f"{_PROJECT}={self.project}"]
        labels += [f"{_SERVICE}={_SERVICES.get(name, name)}"] if name else []
        filters = [word for label in labels for word in ("--filter", f"label={label}")]
        if not (ids := docker("ps", "--all", "--quiet", *filters).decode().split()):
            return []
        return [Container(each) for each in json.loads(docker("inspect", *ids))]


def docker(*words: str, environment: Mapping[str, str] | None = None) -> bytes:
    """Run docker to its end; what it printed, its errors too."""
    done = subprocess.run(
        ["docker", *words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        env=environment, timeout=_DOCKER_SECONDS,
    )  # fmt: skip
    assert done.returncode == 0, f"docker {' '.join(words)}: {done.stdout.decode()}"
    return done.stdout


def _replicas(provider: Container, function: str) -> list[int]:
    """The living replicas of a function: the provider notes the pids that its container gives."""
    if not provider.pid:
        return []
    run_dir = provider.folder(provider.variable("STATE_DIR")) / "run"
    try:
        texts = [path.read_text() for path in run_dir.glob(f"{function}-[0-9]*.json")]
        noted = {int(json.loads(text)["pid"]) for text in texts}
        living = _processes_beside(provider.pid)
    except OSError:
        return []  # the provider, or a replica, has ended meanwhile
    return [pid for inner, pid in living.items() if inner in noted]


def _processes_beside(first: int) -> dict[int, int]:
    """The living processes of a container: what it calls them, and what this machine does."""
    space = os.readlink(f"/proc/{first}/ns/pid")
    found = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdecimal():
            try:
                if os.readlink(folder / "ns" / "pid") != space:
                    continue
                status = (folder / "status").read_text()
            except OSError:
                continue
            fields = dict(line.split(":", 1) for line in status.splitlines() if ":" in line)
            if not fields["State"].strip().startswith("Z"):
                found[int(fields["NSpid"].split()[-1])] = int(folder.name)
    return found
