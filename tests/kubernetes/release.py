"""The chart in a cluster, installed by the real Helm, and the functions by the real faas-cli."""

from __future__ import annotations

import base64
import os
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from local.machine import files
from pipeline.names import FUNCTIONS
from pipeline.version import VERSION
from tests.faas_cli import said
from tests.helm import HELM
from tests.kubernetes import node, openfaas
from tests.kubernetes.cluster import Cluster
from tests.kubernetes.openfaas import OpenFaaS
from tests.stack import ROOT

CHART_NAME = NAME = NAMESPACE = "image-pipeline"
URL = f"http://{node.ADDRESS}:31080"
CHART = ROOT / "deploy" / "chart"
VALUES = Path(__file__).with_name("values.yaml")
_INSTALL_SECONDS = 900.0
# OpenFaaS' community edition has no more of one function.
CAP = 5
# On a node of two processors there must be room for all of them.
FUNCTION_SETTINGS = {
    "CLASSIFIER_MAX_REPLICAS": str(CAP),
    "CLASSIFIER_CPU": "100m",
    "UPLOAD_CPU": "50m",
    "RESULTS_CPU": "50m",
}
# Users of pods, who must be able to write what the node gives them.
_USER = 1000
# Settings of other parts than the consumer and the functions: what the chart calls them.
PART_VALUES = {"RECONCILE_EVERY_SECONDS": "reconciler.everySeconds"}
_CLAIMS = {
    "keys": f"{NAME}-keys",
    "kafka": f"data-{NAME}-kafka-0",
    "minio": f"data-{NAME}-minio-0",
}


def host(part: str, name: str = NAME, namespace: str = NAMESPACE) -> str:
    """What a part of a release is called in every namespace.

    Args:
        name: before its parts' own names.
    """
    return f"{name}-{part}.{namespace}.svc"


def addresses(name: str = NAME, namespace: str = NAMESPACE) -> dict[str, str]:
    """Where the services of a release are."""
    return {
        "MINIO_ENDPOINT": f"{host('minio', name, namespace)}:9000",
        "KAFKA_BOOTSTRAP_SERVERS": f"{host('kafka', name, namespace)}:9092",
        "REDIS_URL": f"redis://{host('redis', name, namespace)}:6379/0",
    }


@dataclass(frozen=True)
class Release:
    """The chart as it is installed.

    Attributes:
        folder: its secrets as files in `secrets`, its data, and what it shares with tests.
    """

    cluster: Cluster
    openfaas: OpenFaaS
    folder: Path

    def deploy(self, **settings: str) -> None:
        """Deploy stack.yml by faas-cli, and wait until every function serves."""
        environment = {**deployer(), **FUNCTION_SETTINGS, **settings}
        said(self.openfaas.cli(), "deploy", "-f", "stack.yml", stdin=b"", **environment)
        workloads = [f"deployment/{name}" for name in FUNCTIONS]
        self.cluster.rolled_out(openfaas.FUNCTIONS, *workloads)

    def keep_secrets(self) -> None:
        """Write what the chart has made as files: what clients of the release are told."""
        data = self.cluster.get("-n", NAMESPACE, "secret", f"{NAME}-secrets")["data"]
        login = {"basic-auth-user": openfaas.USER, "basic-auth-password": self.openfaas.password}
        texts = {name: base64.b64decode(text).decode() for name, text in data.items()}
        (self.folder / "secrets").mkdir(mode=0o700, exist_ok=True)
        for name, text in {**texts, **login}.items():
            files.write(self.folder / "secrets" / name, text, files.PRIVATE)


def upgrade(
    environment: Mapping[str, str], *words: str, name: str = NAME, namespace: str = NAMESPACE
) -> None:
    """Install the chart, or upgrade to it with other values; returns when all of it is ready."""
    done = subprocess.run(
        [
            str(HELM.binary()), "upgrade", "--install", name, str(CHART),
            "--namespace", namespace, "--values", str(VALUES), "--wait", "--wait-for-jobs",
            "--timeout", f"{_INSTALL_SECONDS:.0f}s", *words,
        ],
        env=environment, capture_output=True, text=True, timeout=_INSTALL_SECONDS + 60,
    )  # fmt: skip
    assert done.returncode == 0, f"helm upgrade: {done.stdout}{done.stderr}"


@contextmanager
def settled(environment: Mapping[str, str], settings: Mapping[str, str]) -> Iterator[None]:
    """Give the release some of `PART_VALUES` for a while."""
    words = [f"--set={PART_VALUES[name]}={text}" for name, text in settings.items()]
    if words:
        upgrade(environment, *words)
    try:
        yield
    finally:
        if words:
            upgrade(environment)


def deployer() -> dict[str, str]:
    """The addresses that functions are told, for whoever deploys stack.yml."""
    return {
        **addresses(),
        "OPENFAAS_INTERNAL_URL": openfaas.INNER_URL,
        "FUNCTION_TAG": VERSION,
    }


def install(cluster: Cluster, folder: Path) -> Release:
    """Install OpenFaaS, the chart and the functions; returns when all of it serves."""
    release = Release(cluster, openfaas.install(cluster, folder / "home"), folder)
    cluster.apply("namespace", {"NAME": NAMESPACE})
    openfaas.login_secret(cluster, NAMESPACE, release.openfaas.password)
    for name, claim in _CLAIMS.items():
        _volume(cluster, name, claim, folder / "data" / name)
    upgrade(cluster.environment())
    release.keep_secrets()
    release.deploy()
    return release


def _volume(cluster: Cluster, name: str, claim: str, folder: Path) -> None:
    folder.mkdir(parents=True)
    os.chown(folder, _USER, _USER)
    claimed = {"NAMESPACE": NAMESPACE, "CLAIM": claim}
    cluster.apply("volumes", {"NAME": name, "PATH": str(folder), **claimed})
