"""What only a cluster promises: OpenFaaS' own commands, who reaches what, pods that outlive a part.

Run by `python -m tests.kubernetes` on its release; not part of pytest's own collection.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest
import requests

from pipeline.names import FUNCTIONS
from pipeline.version import VERSION
from tests.faas_cli import FaasCli, logged_in, said
from tests.helm import HELM
from tests.kubernetes import openfaas, release
from tests.kubernetes.kubectl import kubectl
from tests.kubernetes.stack import KubernetesStack
from tests.pictures import fresh
from tests.stack import ROOT, Stack, until

CLASSIFIER = "image-classifier"
EXAMPLE = ROOT / "models" / "demonstration" / "example.png"
INNER = {"kafka": 9092, "redis": 6379, "minio": 9000}
# Tries each HOST:PORT again and again for a while, as rules take a moment to know of a new pod, and
# prints those that answered.
KNOCK = """
import socket, sys, time
places, ends = sys.argv[1:], time.monotonic() + 20
while places and time.monotonic() < ends:
    for place in [*places]:
        host, port = place.split(":")
        try:
            socket.create_connection((host, int(port)), 2).close()
        except OSError:
            continue
        places.remove(place)
        print(place)
    time.sleep(0.5)
"""


@pytest.fixture(scope="module")
def installed(stack: Stack) -> KubernetesStack:
    assert isinstance(stack, KubernetesStack), "these checks are about a release in a cluster"
    return stack


@pytest.fixture(scope="module")
def faas_cli(installed: KubernetesStack, tmp_path_factory: pytest.TempPathFactory) -> FaasCli:
    home = tmp_path_factory.mktemp("home")
    return logged_in(ROOT, home, openfaas.INNER_URL, installed.login)


def deployments() -> list[str]:
    told = kubectl("-n", openfaas.FUNCTIONS, "get", "deployments", "-o", "name")
    return [line.rpartition("/")[2] for line in told.splitlines()]


def test_helm_test_classifies_a_picture() -> None:
    words = ("test", release.NAME, "--namespace", release.NAMESPACE, "--timeout", "300s")

    done = subprocess.run([HELM.binary(), *words], capture_output=True, text=True)

    assert done.returncode == 0, done.stdout + done.stderr


def test_no_pod_waits_for_a_place(
    installed: KubernetesStack,
) -> None:
    places = (release.NAMESPACE, openfaas.FUNCTIONS, openfaas.NAMESPACE)
    pods = [
        pod for place in places for pod in installed.api.list(f"/api/v1/namespaces/{place}/pods")
    ]

    waiting = [it["metadata"]["name"] for it in pods if it["status"]["phase"] == "Pending"]
    assert waiting == []


def test_faas_cli_lists_and_describes_what_it_has_deployed(faas_cli: FaasCli) -> None:
    listed, described = said(faas_cli, "list"), said(faas_cli, "describe", CLASSIFIER)

    assert all(re.search(rf"^{name}\s", listed, re.MULTILINE) for name in FUNCTIONS)
    assert re.search(r"^Status:\s+Ready$", described, re.MULTILINE)


def test_a_function_is_invoked_by_the_gateways_of_both(
    faas_cli: FaasCli, installed: KubernetesStack
) -> None:
    through_ours = FaasCli(ROOT, faas_cli.home, installed.url)
    key = f"X-Api-Key={installed.api_key}"

    answer = said(through_ours, "invoke", CLASSIFIER, "-H", key, stdin=EXAMPLE.read_bytes())
    refused = faas_cli("invoke", CLASSIFIER, stdin=EXAMPLE.read_bytes())

    assert json.loads(answer)["labels"][0]["label"] == "star"
    # Whoever goes round our gateway has no token.
    assert b"Unauthorized" in refused.stdout


def test_logs_are_those_of_the_replicas(faas_cli: FaasCli) -> None:
    told = said(faas_cli, "logs", CLASSIFIER, "--tail=false", "--lines=200")

    assert '"service":"image-classifier"' in told.replace('": "', '":"')


def test_secrets_are_created_listed_updated_and_removed(faas_cli: FaasCli) -> None:
    name = f"tried-{secrets.token_hex(4)}"

    said(faas_cli, "secret", "create", name, "--from-literal=first")
    created = said(faas_cli, "secret", "list")
    said(faas_cli, "secret", "update", name, "--from-literal=second")
    value = kubectl(
        "-n", openfaas.FUNCTIONS, "get", "secret", name, "-o", f"jsonpath={{.data.{name}}}"
    )
    said(faas_cli, "secret", "remove", name)

    assert name in created
    assert value == "c2Vjb25k"
    assert name not in said(faas_cli, "secret", "list")


def test_a_function_is_scaled(installed: KubernetesStack) -> None:
    url = f"{openfaas.INNER_URL}/system/scale-function/image-results"

    def replicas(count: int) -> bool:
        body = {"serviceName": "image-results", "replicas": count}

        def is_taken() -> bool:
            # Refused where Kubernetes writes the same Deployment in this moment.
            answer = requests.post(url, json=body, auth=installed.login, timeout=60)
            return answer.status_code == 202

        until(is_taken)
        return until(lambda: len(installed.pids("image-results")) == count, 300)

    assert replicas(2)
    assert replicas(1)


def test_what_was_removed_is_gone_until_it_is_deployed_again(
    faas_cli: FaasCli, installed: KubernetesStack
) -> None:
    try:
        said(faas_cli, "remove", "image-results")
        until(lambda: "image-results" not in deployments(), 300)
        listed = said(faas_cli, "list")
    finally:
        said(faas_cli, "deploy", "-f", "stack.yml", stdin=b"", **installed.deployer)
    until(installed.is_sound, 300)

    assert "image-results" not in listed
    assert all(name in said(faas_cli, "list") for name in FUNCTIONS)


def knocking(namespace: str, labels: dict[str, str], places: list[str]) -> list[str]:
    """What a pod with these labels reaches."""
    name = f"knock-{secrets.token_hex(4)}"
    container = {
        "name": "knock",
        "image": f"image-pipeline-consumers:{VERSION}",
        "imagePullPolicy": "Never",
        "command": ["python", "-c", KNOCK, *places],
        "resources": {"limits": {"memory": "64Mi"}},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
        },
    }
    spec = {
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [container],
    }
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": namespace, "labels": labels},
        "spec": spec,
    }
    place = ("-n", namespace)
    kubectl("apply", "-f", "-", text=json.dumps(pod))
    try:

        def phase() -> str | None:
            told = kubectl(*place, "get", "pod", name, "-o", "jsonpath={.status.phase}")
            return told if told in ("Succeeded", "Failed") else None

        assert until(phase, 300) == "Succeeded"
        return kubectl(*place, "logs", name).split()
    finally:
        kubectl(*place, "delete", "pod", name, "--now")


@pytest.mark.parametrize("namespace", [release.NAMESPACE, openfaas.FUNCTIONS, "default"])
def test_a_pod_without_the_right_label_reaches_no_service(namespace: str) -> None:
    places = [f"{release.host(name)}:{port}" for name, port in INNER.items()]

    assert knocking(namespace, {"app": "stranger"}, places) == []


def test_a_consumer_reaches_what_it_needs_and_no_more() -> None:
    labels = {
        "app.kubernetes.io/name": "image-pipeline",
        "app.kubernetes.io/instance": release.NAME,
        "app.kubernetes.io/component": "image-process-consumer",
    }
    places = {name: f"{release.host(name)}:{port}" for name, port in INNER.items()}

    reached = knocking(release.NAMESPACE, labels, list(places.values()))

    assert sorted(reached) == [places["kafka"], places["minio"]]


def pods_of(installed: KubernetesStack) -> dict[str, Any]:
    namespaces = (release.NAMESPACE, openfaas.FUNCTIONS, openfaas.NAMESPACE)
    return {
        pod["metadata"]["uid"]: [each["containerID"] for each in pod["status"]["containerStatuses"]]
        for namespace in namespaces
        for pod in installed.api.list(f"/api/v1/namespaces/{namespace}/pods")
        if pod["status"]["phase"] == "Running"
    }


@pytest.fixture
def kubelet() -> tuple[int, list[str]]:
    """The kubelet's process, and how it was started."""
    done = subprocess.run(["pgrep", "--exact", "kubelet"], capture_output=True, text=True)
    (pid,) = done.stdout.split()
    words = Path("/proc", pid, "cmdline").read_bytes().decode().strip("\0").split("\0")
    return int(pid), words


def test_pods_live_on_while_the_kubelet_is_killed_and_started_again(
    installed: KubernetesStack, kubelet: tuple[int, list[str]]
) -> None:
    before = pods_of(installed)
    pid, words = kubelet

    os.kill(pid, signal.SIGKILL)
    job = installed.upload(fresh("without a kubelet")).json()["jobId"]
    ended = installed.finished(job)
    nowhere = subprocess.DEVNULL
    subprocess.run(["setsid", "--fork", *words], stdin=nowhere, stdout=nowhere, stderr=nowhere)

    def is_ready() -> bool:
        node = installed.api.list("/api/v1/nodes")[0]
        conditions = {each["type"]: each for each in node["status"]["conditions"]}
        return bool(conditions["Ready"]["status"] == "True")

    until(is_ready, 300)
    assert ended["status"] == "completed"
    assert pods_of(installed) == before
