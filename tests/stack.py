"""A whole stack of its own for a test run: started by the command that users type."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import requests

from pipeline.settings import Settings
from pipeline.storage import ObjectStore

Answer = TypeVar("Answer")

ROOT = Path(__file__).parents[1]
PORTS = (
    "GATEWAY", "PROVIDER", "CONSUMER", "AUTOSCALER", "MINIO", "MINIO_CONSOLE", "KAFKA",
    "KAFKA_CONTROLLER", "REDIS",
)  # fmt: skip
START_SECONDS = 900  # MinIO is built when the cache is empty


@dataclass(frozen=True)
class LocalStack:
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
        # Tests choose the number of replicas; the one of the autoscaler switches it on.
        return {**os.environ, "AUTOSCALE": "0", **folders, **ports, **self.settings_given}

    @property
    def url(self) -> str:
        """The gateway."""
        return f"http://127.0.0.1:{self.ports['GATEWAY']}"

    @property
    def provider_url(self) -> str:
        """The provider, behind the gateway."""
        return f"http://127.0.0.1:{self.ports['PROVIDER']}"

    @property
    def api_key(self) -> str:
        """The key that `make up` made."""
        return (self.state_dir / "api-key").read_text()

    def secret(self, name: str) -> str:
        """One of the secrets that `make up` made."""
        return (self.state_dir / "secrets" / name).read_text()

    @property
    def settings(self) -> Settings:
        """Settings of a client of this stack."""
        return Settings(
            minio_endpoint=f"127.0.0.1:{self.ports['MINIO']}",
            kafka_bootstrap_servers=f"127.0.0.1:{self.ports['KAFKA']}",
            redis_url=f"redis://127.0.0.1:{self.ports['REDIS']}/0",
            openfaas_url=self.provider_url,
            secrets_dir=str(self.state_dir / "secrets"),
            # Whoever looks at a busy stack has patience; only the stack itself must not.
            store_timeout_seconds=30.0,
        )

    @property
    def addresses(self) -> dict[str, str]:
        """The environment of one more process that works on this stack."""
        settings = self.settings
        # Ports may be those that the services listen on behind a proxy.
        given = {
            name: text for name, text in self.settings_given.items() if not name.endswith("_PORT")
        }
        return {
            **os.environ,
            **given,
            "MINIO_ENDPOINT": settings.minio_endpoint,
            "KAFKA_BOOTSTRAP_SERVERS": settings.kafka_bootstrap_servers,
            "REDIS_URL": settings.redis_url,
            "OPENFAAS_URL": settings.openfaas_url,
            "SECRETS_DIR": settings.secrets_dir,
            "PYTHONPATH": str(self.root),
        }

    @property
    def store(self) -> ObjectStore:
        """A client of this stack's MinIO."""
        return ObjectStore(self.settings)

    def command(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run one of the commands behind make's targets."""
        return subprocess.run(
            [sys.executable, "-m", "local.services", *words],
            cwd=self.root,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=START_SECONDS,
            stdin=subprocess.DEVNULL,
        )

    def pid(self, name: str) -> int:
        """The process id of a service, or of a replica of a function."""
        run_dir = self.state_dir / "run"
        # After an update the replica that serves is not number 1 any more.
        path = next(iter([*run_dir.glob(f"{name}.json"), *run_dir.glob(f"{name}-?.json")]))
        return int(json.loads(path.read_text())["pid"])

    def give(self, function: str, **settings: str) -> None:
        """Deploy a function again with these environment variables, and wait until it serves."""
        url, login = f"{self.provider_url}/system", self.login
        path = f"{url}/function/{function}"
        status = requests.get(path, auth=login, timeout=60).json()
        kept = ("image", "envProcess", "envVars", "labels", "secrets", "limits")
        request = {name: status[name] for name in kept if status.get(name)}
        request |= {"service": function, "envVars": {**status["envVars"], **settings}}
        answer = requests.put(f"{url}/functions", json=request, auth=login, timeout=60)
        assert answer.ok, answer.text

        def is_given() -> bool:
            found = requests.get(path, auth=login, timeout=60).json()
            rollout = (found.get("annotations") or {}).get("com.openfaas.local.rollout", "")
            assert not rollout.startswith("failed"), rollout
            ready = found["availableReplicas"] >= found["replicas"]
            return bool(settings.items() <= found["envVars"].items() and not rollout and ready)

        until(is_given, 60)

    @property
    def login(self) -> tuple[str, str]:
        """User and password of OpenFaaS' API."""
        return self.secret("basic-auth-user"), self.secret("basic-auth-password")

    @contextmanager
    def frozen(self, name: str) -> Iterator[None]:
        """Keep a service from answering for a while; its connections stay open."""
        pid = self.pid(name)
        os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(pid, signal.SIGCONT)

    def get(self, path: str, **arguments: object) -> requests.Response:
        """GET through the gateway with the API key."""
        return self.request("GET", path, **arguments)

    def upload(self, data: bytes, **headers: str) -> requests.Response:
        """POST an image through the gateway with the API key."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.request("POST", "/api/v1/images", data=data, headers=named)

    def request(self, method: str, path: str, **arguments: object) -> requests.Response:
        """Send any request through the gateway with the API key, unless another is given."""
        given = arguments.pop("headers", {})
        assert isinstance(given, dict)
        headers = {"X-Api-Key": self.api_key, **given}
        return requests.request(
            method,
            self.url + path,
            headers=headers,
            timeout=60,
            **arguments,  # type: ignore[arg-type]
        )

    def finished(self, job_id: str, seconds: float = 30.0) -> dict[str, object]:
        """Ask for a job until it is completed or failed."""

        def ask() -> dict[str, object] | None:
            response = self.get(f"/api/v1/jobs/{job_id}")
            # Mixed states are what tests of broken parts look at; here only an end counts.
            body: dict[str, object] = response.json() if response.status_code == 200 else {}
            return body if body.get("status") in ("completed", "failed") else None

        return until(ask, seconds)


def until(ask: Callable[[], Answer | None], seconds: float = 30.0) -> Answer:
    """Ask again and again until there is an answer; fail when there is none in time."""
    deadline = time.monotonic() + seconds
    while True:
        answer = ask()
        if answer is not None and answer is not False:
            return answer
        if time.monotonic() > deadline:
            raise AssertionError(f"no answer within {seconds} seconds")
        time.sleep(0.02)


def free_ports(count: int) -> list[int]:
    """Find ports that nobody listens on, all different."""
    with ExitStack() as sockets:
        opened = [sockets.enter_context(socket.socket()) for _ in range(count)]
        for each in opened:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in opened]


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
