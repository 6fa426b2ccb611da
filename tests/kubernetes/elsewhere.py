"""The chart with Kafka, S3 and Redis that are not its own; those of another release play them.

Run by `python -m tests.kubernetes` at the end: the release is not put back.
"""

from __future__ import annotations

import base64
import json
import os
import subprocess
from pathlib import Path

import pytest

from tests.faas_cli import FaasCli
from tests.kubernetes import openfaas, release
from tests.kubernetes.stack import KubernetesStack
from tests.pictures import fresh
from tests.stack import ROOT, Stack, until

NAME = NAMESPACE = "elsewhere"
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


def kubectl(*words: str, text: str = "") -> str:
    done = subprocess.run(["kubectl", *words], input=text, capture_output=True, text=True)
    assert done.returncode == 0, f"kubectl {' '.join(words)}: {done.stdout}{done.stderr}"
    return done.stdout


def host(part: str) -> str:
    return f"{NAME}-{release.CHART_NAME}-{part}.{NAMESPACE}.svc"


@pytest.fixture(scope="module")
def moved(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Stack:
    """The release, with its services elsewhere."""
    assert isinstance(stack, KubernetesStack)
    kubectl("create", "namespace", NAMESPACE)
    playing = [f"--set={name}={value}" for name, value in PLAYING.items()]
    release.upgrade(os.environ, *playing, name=NAME, namespace=NAMESPACE)
    data = json.loads(
        kubectl("-n", NAMESPACE, "get", "secret", f"{NAME}-{release.CHART_NAME}-secrets", "-ojson")
    )["data"]
    logins = {f"{each}-setup": base64.b64decode(data[f"{each}-setup"]) for each in SERVICES}
    words = [f"--from-literal={name}={value.decode()}" for name, value in logins.items()]
    kubectl("-n", release.NAMESPACE, "create", "secret", "generic", SETUP, *words)
    addresses = {
        "MINIO_ENDPOINT": f"{host('minio')}:9000",
        "KAFKA_BOOTSTRAP_SERVERS": f"{host('kafka')}:9092",
        "REDIS_URL": f"redis://{host('redis')}:6379/0",
    }
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
    cli = FaasCli(ROOT, home, openfaas.INNER_URL)
    user, password = stack.login
    done = cli("login", "--username", user, "--password-stdin", stdin=password.encode())
    assert done.returncode == 0, done.stdout.decode()
    done = cli("deploy", "-f", "stack.yml", stdin=b"", **{**stack.deployer, **addresses})
    assert done.returncode == 0, done.stdout.decode()
    for name in ("image-upload", "image-classifier", "image-results"):
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
