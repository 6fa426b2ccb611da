"""The chart with Kafka, S3 and Redis that are not its own; those of another release play them.

Run by `python -m tests.kubernetes` at the end: the release is not put back.
"""

from __future__ import annotations

import base64
import json
import os
from pathlib import Path

import pytest

from pipeline.names import FUNCTIONS
from tests.faas_cli import logged_in, said
from tests.kubernetes import openfaas, release
from tests.kubernetes.kubectl import kubectl
from tests.kubernetes.stack import KubernetesStack
from tests.pictures import fresh
from tests.stack import ROOT, Stack, until

NAME = NAMESPACE = "elsewhere"
FULL_NAME = f"{NAME}-{release.CHART_NAME}"
SETUP = "elsewhere-setup"
SERVICES = ("minio", "kafka", "redis")
# Of everything else as little as there can be.
PLAYING = {
    "demo.storage.enabled": "false",
    "keys.persistence.enabled": "false",
    "networkPolicy.enabled": "false",
    "functions.secrets.create": "false",
    "model.publish": "false",
    "autoscaler.enabled": "false",
    "reconciler.enabled": "false",
    "operator.enabled": "false",
    "gateway.replicas": "1",
    "gateway.serviceType": "ClusterIP",
    "gateway.nodePort": "0",
    "imageProcessConsumer.replicas": "1",
}


@pytest.fixture(scope="module")
def moved(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Stack:
    """The release, with its services elsewhere."""
    assert isinstance(stack, KubernetesStack)
    kubectl("create", "namespace", NAMESPACE)
    playing = [f"--set={name}={value}" for name, value in PLAYING.items()]
    release.upgrade(os.environ, *playing, name=NAME, namespace=NAMESPACE)
    data = json.loads(kubectl("-n", NAMESPACE, "get", "secret", f"{FULL_NAME}-secrets", "-ojson"))[
        "data"
    ]
    logins = {f"{each}-setup": base64.b64decode(data[f"{each}-setup"]) for each in SERVICES}
    words = [f"--from-literal={name}={value.decode()}" for name, value in logins.items()]
    kubectl("-n", release.NAMESPACE, "create", "secret", "generic", SETUP, *words)
    addresses = release.addresses(FULL_NAME, NAMESPACE)
    values = {
        "demo.enabled": "false",
        "s3.endpoint": addresses["MINIO_ENDPOINT"],
        "s3.tls": "false",
        "kafka.bootstrapServers": addresses["KAFKA_BOOTSTRAP_SERVERS"],
        "kafka.securityProtocol": "SASL_PLAINTEXT",
        "redis.url": addresses["REDIS_URL"],
        **{f"{each}.setupSecret": SETUP for each in ("s3", "kafka", "redis")},
    }
    release.upgrade(os.environ, *(f"--set={name}={value}" for name, value in values.items()))
    deploy(stack, tmp_path_factory.mktemp("home"), addresses)
    return stack


def deploy(stack: KubernetesStack, home: Path, addresses: dict[str, str]) -> None:
    """Deploy stack.yml anew, with these addresses."""
    faas_cli = logged_in(ROOT, home, openfaas.INNER_URL, stack.login)
    said(faas_cli, "deploy", "-f", "stack.yml", stdin=b"", **{**stack.deployer, **addresses})
    for name in FUNCTIONS:
        place = ("-n", openfaas.FUNCTIONS)
        kubectl(*place, "rollout", "status", f"deployment/{name}", "--timeout=240s")


@pytest.mark.timeout(2400)
def test_a_picture_gets_its_label_by_services_elsewhere(moved: Stack) -> None:
    def label() -> str | None:
        answer = moved.upload(fresh("elsewhere"), Prefer="wait=30")
        body = answer.json() if answer.status_code == 200 else {}
        return body["result"]["labels"][0]["label"] if body.get("status") == "completed" else None

    assert until(label, 300)


def test_none_of_the_services_is_the_releases_own(moved: Stack) -> None:
    assert isinstance(moved, KubernetesStack)

    assert [name for name in SERVICES if moved.pods(name)] == []
