"""The release in a cluster as tests use it, from the node that it runs on."""

from __future__ import annotations

import os
import random
import signal
import subprocess
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import Any

import requests

from pipeline.access.accounts import SETUP
from pipeline.names import FUNCTIONS
from pipeline.settings import Settings
from tests.kubernetes import containers, openfaas, release
from tests.kubernetes.api import Api
from tests.kubernetes.sharing import MOUNTED
from tests.stack import Stack, operator_of, until

# The variable by which a test run knows that it is about a release.
RELEASE_FOLDER = "RELEASE_FOLDER"
# What a local stack calls otherwise.
_COMPONENTS = {"nginx": "gateway"}
_PORT_OF_CONSUMER = 8082
_PORT_OF_FUNCTION = 8080
_ROLLOUT_SECONDS = 240.0
_COMMAND_SECONDS = 180.0


class KubernetesStack(Stack):
    """A release that this process reaches as pods do; it takes the node's namespaces, and root.

    Args:
        folder: of the release: its secrets, and what it shares with tests.
        socket: containerd's.
    """

    def __init__(self, folder: Path, kubeconfig: Path, socket: Path) -> None:
        self._folder = folder
        self._socket = socket
        self._kubeconfig = kubeconfig
        self.api = Api(kubeconfig)

    @classmethod
    def from_env(cls) -> KubernetesStack:
        """The one that `environment` of whoever started this process tells of."""
        names = (RELEASE_FOLDER, "KUBECONFIG", "CONTAINERD_SOCKET")
        return cls(*(Path(os.environ[name]) for name in names))

    @property
    def url(self) -> str:
        """The gateway."""
        return f"http://{release.host('gateway')}:8080"

    @property
    def consumer_url(self) -> str:
        """The first consumer's health and metrics."""
        address = until(lambda: next(self._addresses("image-process-consumer"), None))
        return f"http://{address}:{_PORT_OF_CONSUMER}"

    @property
    def api_key_file(self) -> Path:
        """The key among the secrets."""
        return self._secrets_dir / "api-key"

    @property
    def settings(self) -> Settings:
        """Settings of a client on the node."""
        addresses = self.deployer
        return Settings(
            minio_endpoint=addresses["MINIO_ENDPOINT"],
            kafka_bootstrap_servers=addresses["KAFKA_BOOTSTRAP_SERVERS"],
            redis_url=addresses["REDIS_URL"],
            openfaas_url=openfaas.INNER_URL,
            openfaas_metrics_url=openfaas.INNER_METRICS_URL,
            secrets_dir=str(self._secrets_dir),
            # Who looks from outside sees everything.
            account=SETUP,
            store_timeout_seconds=30.0,
        )

    @property
    def operator(self) -> dict[str, str]:
        """The addresses, as for any deployment that is not a local stack."""
        settings = self.settings
        metrics = {"OPENFAAS_METRICS_URL": settings.openfaas_metrics_url}
        return {**operator_of(settings, self.url), **metrics}

    @property
    def deployer(self) -> dict[str, str]:
        """The names by which the parts find each other."""
        return {**release.deployer(), **release.FUNCTION_SETTINGS}

    @property
    def shared(self) -> Path:
        """A folder of the node."""
        return self._folder / "shared"

    def inside(self, path: Path) -> str:
        """Where the consumer and the functions have it."""
        return f"{MOUNTED}/{path.relative_to(self.shared)}"

    @property
    def metrics_url(self) -> str:
        """A port of OpenFaaS' gateway of its own."""
        return openfaas.INNER_METRICS_URL

    def kill(self, name: str, chooser: random.Random | None = None) -> int | None:
        """End one process of a part; of OpenFaaS' gateway and what is beside it, both."""
        if name != "provider":
            return super().kill(name, chooser)
        killed = self.pids(name)
        for pid in killed:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        return killed[0] if killed else None

    def pids(self, name: str) -> list[int]:
        """The first processes of a part's containers."""
        ids = [each for pod in self.pods(name) for each in containers.running(pod)]
        found = [containers.first_process(each) for each in ids]
        return [pid for pid in found if pid is not None]

    @contextmanager
    def frozen(self, name: str) -> Iterator[None]:
        """Stop a part's processes; their connections stay open."""

        def ids() -> list[str] | None:
            return [each for pod in self.pods(name) for each in containers.running(pod)] or None

        with containers.asleep(self._socket, until(ids)):
            yield

    def metrics_of(self, function: str) -> list[str]:
        """What each replica of a function tells Prometheus."""
        urls = [
            f"http://{address}:{_PORT_OF_FUNCTION}/metrics" for address in self._addresses(function)
        ]
        return [requests.get(url, timeout=60).text for url in urls]

    def scaled_by_nobody(self) -> AbstractContextManager[None]:
        """Freeze the autoscaler, which a release has."""
        return self.frozen("classifier-autoscaler")

    @contextmanager
    def scaled(self, name: str, replicas: int) -> Iterator[None]:
        """Have so many pods of a part for a while."""
        path = self._path(name)
        # Scaled in the middle of a rollout, a deployment may stay there for ever.
        self._wait_until_rolled_out(path)
        before = self.api.get(path)["spec"]["replicas"]
        self.api.merge(path, {"spec": {"replicas": replicas}})
        try:
            self._wait_until_rolled_out(path)
            yield
        finally:
            self.api.merge(path, {"spec": {"replicas": before}})
            self._wait_until_rolled_out(path)

    def logs(self) -> Iterator[bytes]:
        """What the containers wrote, also those that have ended last."""
        namespaces = (release.NAMESPACE, openfaas.NAMESPACE, openfaas.FUNCTIONS)
        for namespace in namespaces:
            for pod in self.api.list(f"/api/v1/namespaces/{namespace}/pods"):
                yield from self._logs(namespace, pod)

    def pods(self, name: str) -> list[dict[str, Any]]:
        """The pods of a part, a function or OpenFaaS (`provider`) that are not ending."""
        component = _COMPONENTS.get(name, name)
        namespace, selector = release.NAMESPACE, f"app.kubernetes.io/component={component}"
        if name in FUNCTIONS:
            namespace, selector = openfaas.FUNCTIONS, f"faas_function={name}"
        elif name == "provider":
            namespace, selector = openfaas.NAMESPACE, "app=gateway"
        found = self.api.list(f"/api/v1/namespaces/{namespace}/pods", labelSelector=selector)
        return [pod for pod in found if "deletionTimestamp" not in pod["metadata"]]

    def secret(self, name: str) -> str:
        """One of the secrets, which need no part to be there."""
        return (self._secrets_dir / name).read_text(encoding="utf-8").strip()

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run a command in the operator's pod, as an operator does."""
        target = f"deployment/{release.NAME}-operator"
        return subprocess.run(
            ["kubectl", "-n", release.NAMESPACE, "exec", target, "--", *words],
            capture_output=True, text=True, timeout=_COMMAND_SECONDS,
        )  # fmt: skip

    def _deployed(self, function: str) -> dict[str, Any]:
        """What this OpenFaaS does not tell: the variables of a function."""
        container = self._container(self.api.get(self._path(function)))
        return {"envVars": {each["name"]: each["value"] for each in container.get("env", [])}}

    def _deploy(self, function: str, variables: dict[str, str]) -> None:
        env = [{"name": name, "value": value} for name, value in sorted(variables.items())]
        path = self._path(function)
        self.api.replace(path, ("/spec/template/spec/containers/0/env", env))
        self._wait_until_rolled_out(path)

    def _wait_until_rolled_out(self, path: str) -> None:
        """Wait until all pods of a deployment are as it says now, and the others gone."""
        generation = self.api.get(path)["metadata"]["generation"]

        def is_rolled_out() -> bool:
            found = self.api.get(path)
            status, wanted = found["status"], found["spec"]["replicas"]
            return bool(
                status.get("observedGeneration", 0) >= generation
                and status.get("updatedReplicas", 0) == wanted
                and status.get("replicas", 0) == wanted
                and status.get("availableReplicas", 0) == wanted
            )

        until(is_rolled_out, _ROLLOUT_SECONDS)

    @property
    def _secrets_dir(self) -> Path:
        return self._folder / "secrets"

    def _addresses(self, name: str) -> Iterator[str]:
        for pod in self.pods(name):
            if containers.running(pod) and (address := pod["status"].get("podIP")):
                yield str(address)

    def _logs(self, namespace: str, pod: dict[str, Any]) -> Iterator[bytes]:
        path = f"/api/v1/namespaces/{namespace}/pods/{pod['metadata']['name']}/log"
        for status in pod["status"].get("containerStatuses", []):
            states = {"false": status.get("state", {}), "true": status.get("lastState", {})}
            for previous, state in states.items():
                if state and "waiting" not in state:
                    yield self.api.text(path, container=str(status["name"]), previous=previous)

    @staticmethod
    def _path(name: str) -> str:
        """The deployment of a function, or of a part of the release."""
        namespace, deployment = openfaas.FUNCTIONS, name
        if name not in FUNCTIONS:
            namespace, deployment = release.NAMESPACE, f"{release.NAME}-{name}"
        return f"/apis/apps/v1/namespaces/{namespace}/deployments/{deployment}"

    @staticmethod
    def _container(deployment: dict[str, Any]) -> dict[str, Any]:
        found: dict[str, Any] = deployment["spec"]["template"]["spec"]["containers"][0]
        return found


def environment(folder: Path, kubeconfig: Path, socket: Path) -> dict[str, str]:
    """What a process on the node is told, so that its tests find this release."""
    return {
        "GATEWAY_URL": f"http://{release.host('gateway')}:8080",
        RELEASE_FOLDER: str(folder),
        "KUBECONFIG": str(kubeconfig),
        "CONTAINERD_SOCKET": str(socket),
    }
