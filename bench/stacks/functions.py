"""The functions of a stack, through OpenFaaS' API: deployed anew, scaled, counted."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from typing import Any

from bench.checks import BenchFailed
from bench.stacks.stack import BenchStack
from local.deploy import Gateway
from local.machine import processes
from pipeline.http.identity import GATEWAY, TOKEN_HEADER, Signer
from pipeline.names import UPLOAD
from pipeline.settings import Settings

CLASSIFIER = "image-classifier"

_ROUNDS_SECONDS = 24 * 3600.0
_READY_SECONDS = 120.0
_POLL_SECONDS = 0.02
_KEPT = ("image", "envProcess", "envVars", "labels", "secrets", "limits", "annotations")


def classifier_token(settings: Settings) -> dict[str, str]:
    """The header of calls that go round the gateway, for as long as a measurement takes."""
    signer = Signer(GATEWAY, CLASSIFIER, settings.secrets.text(f"{CLASSIFIER}-key"))
    token = signer.sign(
        "POST", "/", scopes=(UPLOAD,), lifetime_seconds=_ROUNDS_SECONDS, tenant="default"
    )
    return {TOKEN_HEADER: token}


class Functions:
    """Talks to the provider itself, so that the gateway's limits do not count."""

    def __init__(self, stack: BenchStack) -> None:
        self._run_dir = stack.run_dir
        user, password = (
            (stack.state_dir / "secrets" / f"basic-auth-{name}").read_text().strip()
            for name in ("user", "password")
        )
        self._gateway = Gateway(f"http://127.0.0.1:{stack.ports['PROVIDER']}", user, password)

    def status(self, name: str) -> dict[str, Any]:
        """Ask for one function."""
        answer = self._gateway.call("GET", f"/system/function/{name}")
        if not answer.ok:
            raise BenchFailed(f"{name}: the provider answered {answer.status_code}")
        status: dict[str, Any] = answer.json()
        return status

    def give(
        self,
        name: str,
        settings: Mapping[str, str],
        image: str = "",
        most: int | None = None,
        labels: Mapping[str, str] | None = None,
    ) -> None:
        """Deploy a function again, wait until it serves.

        Args:
            settings: environment variables, beyond those it has.
            image: another one that was built.
            most: how many replicas it may have.
            labels: beyond those it has.
        """
        status, before = self.status(name), self.replicas(name)
        request = {key: status[key] for key in _KEPT if status.get(key)}
        request["service"] = name
        request["image"] = image or request["image"]
        request["envVars"] = {**(status.get("envVars") or {}), **settings}
        if most is not None:
            request["labels"] = {**request["labels"], "com.openfaas.scale.max": str(most)}
        request["labels"] = {**request["labels"], **(labels or {})}
        self._gateway.deploy(request)
        self._gateway.wait(name, _READY_SECONDS)
        # Those of the version before may still be on their way out.
        until(lambda: not before & self.replicas(name), f"the end of the old {name}")

    def scale(self, name: str, replicas: int) -> None:
        """Ask for so many replicas; wait until there are no more and no fewer."""

        def is_so() -> bool:
            available = int(self.status(name)["availableReplicas"])
            return available == replicas == len(self.replicas(name))

        self.ask(name, replicas)
        until(is_so, f"{replicas} replicas of {name}")

    def ask(self, name: str, replicas: int) -> None:
        """Ask for so many replicas."""
        body = {"serviceName": name, "replicas": replicas}
        answer = self._gateway.call("POST", f"/system/scale-function/{name}", body)
        if not answer.ok:
            raise BenchFailed(f"{name}: {answer.status_code} to {replicas} replicas")

    def replicas(self, name: str) -> set[tuple[str, int]]:
        """Name the replicas that there are, leaving ones too, each with its process id."""
        recorded = processes.recorded(self._run_dir)
        numbered = re.compile(rf"{name}-\d+")
        return {(each, it.pid) for each, it in recorded.items() if numbered.fullmatch(each)}


def until(is_so: Callable[[], bool], what: str, seconds: float = _READY_SECONDS) -> float:
    """Ask until something is so; return when it was, by the monotonic clock.

    Raises:
        BenchFailed: it is not so in time.
    """
    deadline = time.monotonic() + seconds
    while not is_so():
        if time.monotonic() > deadline:
            raise BenchFailed(f"there is no sign of {what} after {seconds:g} s")
        time.sleep(_POLL_SECONDS)
    return time.monotonic()
