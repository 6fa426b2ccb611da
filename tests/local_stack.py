"""A whole stack of its own for a test run: processes, started by the command that users type."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from local.machine import processes
from pipeline.access.accounts import SETUP
from pipeline.settings import Settings
from tests.ports import free_ports
from tests.stack import OF_TESTS, ROOT, Stack, run_module, until

PORTS = (
    "GATEWAY", "PROVIDER", "CONSUMER", "AUTOSCALER", "ASYNC_CALL", "OIDC", "MINIO", "MINIO_CONSOLE",
    "KAFKA", "KAFKA_CONTROLLER", "REDIS", "GATEWAY_HTTP",
)  # fmt: skip
START_SECONDS = 900  # MinIO is built when the cache is empty


@dataclass(frozen=True)
class LocalStack(Stack):
    """A running stack: where its state and its ports are.

    Attributes:
        settings_given: environment variables for whatever `make up` starts, beyond its own.
        root: the checkout that it runs from.
    """

    state_dir: Path
    ports: dict[str, int]
    settings_given: Mapping[str, str] = field(default_factory=dict)
    root: Path = ROOT

    @property
    def environment(self) -> dict[str, str]:
        """What the commands of `make` are told."""
        ports = {f"{name}_PORT": str(port) for name, port in self.ports.items()}
        folders = {"STATE_DIR": str(self.state_dir), "BUILD_DIR": str(self.state_dir / "build")}
        return {**os.environ, **OF_TESTS, **folders, **ports, **self.settings_given}

    @property
    def operator(self) -> dict[str, str]:
        """The stack is found by its STATE_DIR alone."""
        environment = self.environment.items()
        return {name: text for name, text in environment if not name.endswith("_PORT")}

    @property
    def url(self) -> str:
        """The gateway."""
        scheme = "https" if self.settings_given.get("TLS") == "1" else "http"
        return f"{scheme}://127.0.0.1:{self.ports['GATEWAY']}"

    @property
    def authority(self) -> str | None:
        """Its own, where it speaks TLS."""
        is_on = self.settings_given.get("TLS") == "1"
        return str(self.state_dir / "tls" / "ca.pem") if is_on else None

    @property
    def consumer_url(self) -> str:
        """The consumer's health and metrics."""
        return f"http://127.0.0.1:{self.ports['CONSUMER']}"

    @property
    def api_key_file(self) -> Path:
        """The key that `make up` made."""
        return self.state_dir / "api-key"

    @property
    def settings(self) -> Settings:
        """Settings of a client of this stack."""
        return Settings(
            minio_endpoint=f"127.0.0.1:{self.ports['MINIO']}",
            kafka_bootstrap_servers=f"127.0.0.1:{self.ports['KAFKA']}",
            redis_url=f"redis://127.0.0.1:{self.ports['REDIS']}/0",
            openfaas_url=f"http://127.0.0.1:{self.ports['PROVIDER']}",
            secrets_dir=str(self.state_dir / "secrets"),
            # Who looks from outside sees everything.
            account=SETUP,
            # Whoever looks at a busy stack has patience; only the stack itself must not.
            store_timeout_seconds=30.0,
        )

    @property
    def deployer(self) -> dict[str, str]:
        """The addresses that functions are told: those of every client."""
        settings = self.settings
        return {
            "MINIO_ENDPOINT": settings.minio_endpoint,
            "KAFKA_BOOTSTRAP_SERVERS": settings.kafka_bootstrap_servers,
            "REDIS_URL": settings.redis_url,
            "OPENFAAS_INTERNAL_URL": settings.openfaas_url,
        }

    @property
    def addresses(self) -> dict[str, str]:
        """The environment of one more process that works on this stack."""
        # Ports may be those that the services listen on behind a proxy.
        given = {
            name: text for name, text in self.settings_given.items() if not name.endswith("_PORT")
        }
        return {
            **os.environ,
            **given,
            **self.deployer,
            "OPENFAAS_URL": self.settings.openfaas_url,
            "SECRETS_DIR": self.settings.secrets_dir,
            "PYTHONPATH": str(self.root),
        }

    @property
    def shared(self) -> Path:
        """A folder in which every user may write, and take away."""
        return made_shared(self.state_dir)

    def inside(self, path: Path) -> str:
        """Processes see what the tests see."""
        return str(path)

    def command(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run one of the commands behind make's targets."""
        return run_module(
            "local.services",
            *words,
            cwd=self.root,
            environment=self.environment,
            seconds=START_SECONDS,
        )

    def pid(self, name: str) -> int:
        """The recorded process of a service, or of a replica of a function; it may have ended."""
        run_dir = self.state_dir / "run"

        def told() -> int | None:
            # After an update the replica that serves is not number 1 any more.
            for path in (*run_dir.glob(f"{name}.json"), *run_dir.glob(f"{name}-?.json")):
                with suppress(FileNotFoundError):  # it has just ended, and is on its way back
                    return int(json.loads(path.read_text())["pid"])
            return None

        return until(told)

    def living(self, name: str) -> list[processes.Process]:
        """The living recorded processes of a service, or of the replicas of a function."""
        recorded = processes.recorded(self.state_dir / "run")
        return [each for key, each in recorded.items() if key == name or _is_replica(key, name)]

    def pids(self, name: str) -> list[int]:
        """The processes with which a service ends, or the replicas of a function end."""
        return [each.pid for each in self.living(name)]

    @contextmanager
    def frozen(self, name: str) -> Iterator[None]:
        """Keep a service from answering for a while; its connections stay open."""
        told: set[int] = set()

        def stands_still() -> bool:
            # What was killed a moment ago is on its way back.
            for pid in self.pids(name)[:1]:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGSTOP)
                    told.add(pid)
                    return _stands_still(pid)
            return False

        try:
            until(stands_still)
            yield
        finally:
            for pid in told:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGCONT)

    def logs(self) -> Iterator[bytes]:
        """The files of all parts."""
        for path in (self.state_dir / "logs").glob("*.log*"):
            with suppress(FileNotFoundError):  # another took its place
                yield path.read_bytes()


def made_shared(state_dir: Path) -> Path:
    """Have a folder in which the processes of a stack, each a user of its own, may write."""
    folder = state_dir / "shared"
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o777)
    return folder


def _stands_still(pid: int) -> bool:
    """Whether all threads are stopped: each comes to it only when it has the processor."""
    threads = Path(f"/proc/{pid}/task")
    try:
        told = [path.joinpath("stat").read_text(errors="replace") for path in threads.iterdir()]
    except (FileNotFoundError, ProcessLookupError):  # one has ended meanwhile
        return False
    return all(text.rpartition(")")[2].split()[0] == "T" for text in told)


def _is_replica(key: str, name: str) -> bool:
    function, _, number = key.rpartition("-")
    return function == name and number.isdecimal()


@contextmanager
def unstarted_stack(
    state_dir: Path, settings: Mapping[str, str] | None = None, root: Path = ROOT
) -> Iterator[LocalStack]:
    """Choose ports for a stack; stop it when done, whoever started it."""
    ports = dict(zip(PORTS, free_ports(len(PORTS)), strict=True))
    stack = LocalStack(state_dir, ports, settings or {}, root)
    try:
        yield stack
    finally:
        stack.command("down")


@contextmanager
def running_stack(
    state_dir: Path,
    model_dir: Path | None = None,
    settings: Mapping[str, str] | None = None,
    root: Path = ROOT,
) -> Iterator[LocalStack]:
    """Start a stack, stop it when done, also when the tests failed.

    Args:
        settings: environment variables for the consumer and the services; `give` is for functions.
        root: the checkout to start from.
    """
    model = ["--model-dir", str(model_dir)] if model_dir else []
    with unstarted_stack(state_dir, settings, root) as stack:
        started = stack.command("up", *model)
        assert started.returncode == 0, f"{started.stdout}\n{started.stderr}"
        yield stack
