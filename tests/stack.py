"""A running system, as tests use it, however its parts are run."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any, TypeVar

import requests

from pipeline.settings import Settings
from pipeline.storage.object_store import ObjectStore
from tests.contract import contract

Answer = TypeVar("Answer")

# What stacks of tests are told: tests choose the number of replicas, and send many a wrong key.
OF_TESTS = {"AUTOSCALE": "0", "WRONG_KEYS_AT_ONCE": "100000"}
ROOT = Path(__file__).parents[1]
# Whoever waits for a stack waits as long as a machine takes that has other work, too.
_PATIENCE_SECONDS = 120.0


class Stack(ABC):
    """What a local stack and a compose project have in common, and what differs between them.

    Parts have the names of a local stack: of services, and of functions for their replicas.

    Attributes:
        root: the checkout whose commands are used on it.
    """

    root: Path = ROOT

    @property
    @abstractmethod
    def url(self) -> str:
        """The gateway."""

    @property
    def authority(self) -> str | None:
        """File of whoever vouches for the gateway's certificate; None where it speaks no TLS."""
        return None

    @property
    @abstractmethod
    def consumer_url(self) -> str:
        """The consumer's health and metrics."""

    @property
    @abstractmethod
    def api_key_file(self) -> Path:
        """Where the key of the tests lies."""

    @property
    @abstractmethod
    def settings(self) -> Settings:
        """Settings of a client of this stack."""

    @property
    @abstractmethod
    def operator(self) -> dict[str, str]:
        """The environment by which imagectl finds this stack."""

    @property
    @abstractmethod
    def shared(self) -> Path:
        """A folder that the tests, the consumer and the functions write."""

    @abstractmethod
    def inside(self, path: Path) -> str:
        """What the consumer and the functions call something in the shared folder."""

    @property
    @abstractmethod
    def deployer(self) -> dict[str, str]:
        """The addresses that functions are told, for whoever deploys stack.yml."""

    @abstractmethod
    def pids(self, name: str) -> list[int]:
        """The processes with which a service ends, or the replicas of a function end."""

    @abstractmethod
    def frozen(self, name: str) -> AbstractContextManager[None]:
        """Keep a service from answering for a while; its connections stay open."""

    def metrics_of(self, function: str) -> list[str]:
        """What the replicas of a function tell Prometheus; of several one is asked."""
        url = f"{self.provider_url}/function/{function}/metrics"
        return [requests.get(url, timeout=60).text]

    def scaled_by_nobody(self) -> AbstractContextManager[None]:
        """Have as many replicas of functions as there are, for a while."""
        return nullcontext()  # `OF_TESTS` leaves the autoscaler out

    @abstractmethod
    def logs(self) -> Iterator[bytes]:
        """All that the parts have logged, part by part."""

    @property
    def provider_url(self) -> str:
        """The provider, behind the gateway."""
        return self.settings.openfaas_url

    @property
    def metrics_url(self) -> str:
        """Where the provider tells its metrics."""
        return self.provider_url

    @property
    def api_key(self) -> str:
        """The key of the tests."""
        return self.api_key_file.read_text(encoding="utf-8").strip()

    def secret(self, name: str) -> str:
        """One of the secrets that were made for this stack."""
        return self.settings.secrets.text(name)

    @property
    def login(self) -> tuple[str, str]:
        """User and password of OpenFaaS' API."""
        return self.secret("basic-auth-user"), self.secret("basic-auth-password")

    @property
    def store(self) -> ObjectStore:
        """A client of this stack's MinIO."""
        return ObjectStore(self.settings)

    def kill(self, name: str, chooser: random.Random | None = None) -> int | None:
        """End a service, or one replica of a function, as kill -9 does.

        Returns:
            The process id; None when there is nothing to kill.
        """
        alive = self.pids(name)
        if not alive:
            return None
        pid = chooser.choice(alive) if chooser else alive[0]
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            return None
        return pid

    def give(self, function: str, **settings: str) -> None:
        """Deploy a function again with these environment variables, and wait until it serves."""
        self._deploy(function, {**self._deployed(function)["envVars"], **settings})

    @contextmanager
    def given(self, function: str, **settings: str) -> Iterator[None]:
        """Give a function settings for a while."""
        before = self._deployed(function)["envVars"]
        self.give(function, **settings)
        try:
            yield
        finally:
            self._deploy(function, before)

    def _deployed(self, function: str) -> dict[str, Any]:
        path = f"{self.provider_url}/system/function/{function}"
        found: dict[str, Any] = requests.get(path, auth=self.login, timeout=60).json()
        return found

    def _deploy(self, function: str, variables: dict[str, str]) -> None:
        status = self._deployed(function)
        kept = ("image", "envProcess", "labels", "secrets", "limits", "requests")
        request = {name: status[name] for name in kept if status.get(name)}
        request |= {"service": function, "envVars": variables}
        path = f"{self.provider_url}/system/functions"
        answer = requests.put(path, json=request, auth=self.login, timeout=60)
        assert answer.ok, answer.text

        def is_given() -> bool:
            found = self._deployed(function)
            rollout = (found.get("annotations") or {}).get("com.openfaas.local.rollout", "")
            assert not rollout.startswith("failed"), rollout
            ready = found["availableReplicas"] >= found["replicas"]
            return bool(found["envVars"] == variables and not rollout and ready)

        # The provider gives up after 120 s, and says so.
        until(is_given, 180)

    def get(self, path: str, **arguments: object) -> requests.Response:
        """GET through the gateway with the API key."""
        return self.request("GET", path, **arguments)

    def upload(self, data: bytes, **headers: str) -> requests.Response:
        """POST an image through the gateway with the API key."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.request("POST", "/api/v1/images", data=data, headers=named)

    def request(self, method: str, path: str, **arguments: object) -> requests.Response:
        """Send any request through the gateway with the API key, unless another is given.

        Raises:
            Undocumented: docs/openapi.json has no such answer.
        """
        given = arguments.pop("headers", {})
        assert isinstance(given, dict)
        headers = {"X-Api-Key": self.api_key, **given}
        answer = requests.request(
            method,
            self.url + path,
            headers=headers,
            timeout=60,
            verify=self.authority or True,
            **arguments,  # type: ignore[arg-type]
        )
        contract().check(method, path, answer.status_code, answer.headers, answer.content)
        return answer

    def finished(self, job_id: str, seconds: float = _PATIENCE_SECONDS) -> dict[str, object]:
        """Ask for a job until it is completed or failed."""

        def ask() -> dict[str, object] | None:
            try:
                response = self.get(f"/api/v1/jobs/{job_id}")
            except requests.RequestException:
                return None  # the gateway was killed a moment ago
            # Mixed states are what tests of broken parts look at; here only an end counts.
            body: dict[str, object] = response.json() if response.status_code == 200 else {}
            return body if body.get("status") in ("completed", "failed") else None

        return until(ask, seconds)

    def is_sound(self) -> bool:
        """Whether every part does its work, Redis too, and the consumer owns partitions."""
        try:
            ready = requests.get(f"{self.url}/readyz", timeout=30, verify=self.authority or True)
            consuming = requests.get(f"{self.consumer_url}/healthz", timeout=30)
        except requests.RequestException:
            return False
        if not ready.status_code == consuming.status_code == 200:
            return False
        return set(ready.json()["parts"].values()) == {"ready"}


def operator_of(settings: Settings, gateway_url: str) -> dict[str, str]:
    """The addresses by which imagectl finds a deployment that is no local stack."""
    return {
        **os.environ,
        "MINIO_ENDPOINT": settings.minio_endpoint,
        "KAFKA_BOOTSTRAP_SERVERS": settings.kafka_bootstrap_servers,
        "REDIS_URL": settings.redis_url,
        "OPENFAAS_URL": settings.openfaas_url,
        "SECRETS_DIR": settings.secrets_dir,
        "GATEWAY_URL": gateway_url,
        "API_KEY_FILE": str(Path(settings.secrets_dir) / "prove-api-key"),
    }


def run_module(
    name: str, *words: str, cwd: Path, environment: Mapping[str, str], seconds: float
) -> subprocess.CompletedProcess[str]:
    """Run a module of a checkout as a command, without standard input; its outputs as text."""
    return subprocess.run(
        [sys.executable, "-m", name, *words],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        timeout=seconds,
        stdin=subprocess.DEVNULL,
    )


def until(ask: Callable[[], Answer | None], seconds: float = _PATIENCE_SECONDS) -> Answer:
    """Ask again and again until there is an answer; fail when there is none in time."""
    deadline = time.monotonic() + seconds
    while True:
        answer = ask()
        if answer is not None and answer is not False:
            return answer
        if time.monotonic() > deadline:
            raise AssertionError(f"no answer within {seconds} seconds")
        time.sleep(0.02)
