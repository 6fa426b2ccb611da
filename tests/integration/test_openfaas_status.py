"""What is said of a function is what was deployed; what else there is to say stands apart."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.provider import (
    REQUEST_SECONDS,
    TINY,
    TINY_PROCESS,
    Provider,
    eventually,
    running_provider,
)

# As newer clients send it: the namespace in the document, empty maps for what stack.yml leaves out.
DEPLOYMENT: dict[str, Any] = {
    "service": "tiny",
    "image": "tiny:1",
    "namespace": "openfaas-fn",
    "envProcess": TINY_PROCESS,
    "envVars": {"GREETING": "hello", "exec_timeout": "20s"},
    "constraints": ["zone == a"],
    "secrets": ["api-key"],
    "labels": {"com.openfaas.scale.min": "1", "team": "red"},
    "annotations": {"topic": "greetings"},
    "limits": {"memory": "128Mi", "cpu": "100m"},
    "requests": {"memory": "64Mi", "cpu": "1"},
    "readOnlyRootFilesystem": True,
}
# What `faas-cli diff` compares with stack.yml.
COMPARED = {*DEPLOYMENT} - {"service", "namespace"}


@pytest.fixture(scope="module")
def provider(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Provider]:
    with running_provider(tmp_path_factory.mktemp("provider")) as one:
        one.add_secret("api-key", "the key")
        for name in ("tiny", "late"):
            one.build(name, "", server=TINY)
        yield one


def deploy(provider: Provider, **change: Any) -> None:
    """Send a deployment as faas-cli does: an update, else a new function."""
    for method in ("PUT", "POST"):
        answer = provider.system(method, "/functions", {**DEPLOYMENT, **change})
        if answer.status_code != 404:
            break
    assert answer.status_code == 202, answer.text


def listed(provider: Provider, name: str) -> dict[str, Any]:
    found = provider.system("GET", "/functions?namespace=openfaas-fn").json()
    (function,) = [each for each in found if each["name"] == name]
    return dict(function)


def compared(status: dict[str, Any]) -> dict[str, Any]:
    return {key: status[key] for key in COMPARED}


def condition(status: dict[str, Any], kind: str) -> dict[str, str]:
    (found,) = [each for each in status["conditions"] if each["type"] == kind]
    return dict(found)


def test_what_is_listed_is_what_was_deployed(provider: Provider) -> None:
    deploy(provider)
    eventually(lambda: provider.is_settled("tiny"))

    status = listed(provider, "tiny")

    assert compared(status) == compared(DEPLOYMENT)
    assert (status["replicas"], status["availableReplicas"]) == (1, 1)
    assert condition(status, "Available")["status"] == "True"
    assert condition(status, "RolledOut") == {"type": "RolledOut", "status": "True", "message": ""}
    assert "memory 128Mi" in condition(status, "Limited")["message"]
    assert "serving" not in status


def test_a_described_function_has_the_label_of_openfaas(provider: Provider) -> None:
    deploy(provider)
    eventually(lambda: provider.is_settled("tiny"))

    described = provider.describe("tiny")

    assert described["labels"] == {**DEPLOYMENT["labels"], "faas_function": "tiny"}
    assert described["annotations"] == DEPLOYMENT["annotations"]


def test_what_a_function_uses_is_told_when_asked_for(provider: Provider) -> None:
    deploy(provider, service="busy", envProcess=f"sh -c '(while :; do :; done) & {TINY_PROCESS}'")
    eventually(lambda: provider.is_settled("busy"))

    usage = provider.system("GET", "/function/busy?usage=1").json()["usage"]

    assert usage.keys() == {"cpu", "totalMemoryBytes"}
    assert usage["cpu"] > 0
    assert usage["totalMemoryBytes"] > 1_000_000
    assert "usage" not in provider.describe("busy")


def test_whoever_deploys_what_was_described_changes_nothing(provider: Provider) -> None:
    deploy(provider)
    eventually(lambda: provider.is_settled("tiny"))
    before = listed(provider, "tiny")

    answer = provider.system("PUT", "/functions", {"service": "tiny", **provider.describe("tiny")})
    eventually(lambda: provider.is_settled("tiny"))

    assert answer.status_code == 202, answer.text
    assert compared(listed(provider, "tiny")) == compared(before)


def test_during_a_rollout_both_versions_are_told(provider: Provider, tmp_path: Path) -> None:
    deploy(provider, service="late", image="late:1")
    eventually(lambda: provider.is_settled("late"))
    gate = tmp_path / "gate"
    waiting = f"sh -c 'while [ ! -e {gate} ]; do sleep 0.05; done; exec {TINY_PROCESS}'"

    deploy(provider, service="late", image="late:2", envProcess=waiting, labels={"team": "blue"})
    try:
        status, described = listed(provider, "late"), provider.describe("late")
        answer = provider.invoke("late", "GET")
    finally:
        gate.touch()
    eventually(lambda: provider.is_settled("late"))

    assert (status["image"], status["labels"]) == ("late:2", {"team": "blue"})
    assert (status["serving"]["image"], status["serving"]["labels"]["team"]) == ("late:1", "red")
    assert (status["availableReplicas"], answer.text) == (1, "ok")
    said = "in progress: 0 of 1 replicas of late:2 are ready; late:1 serves until all are"
    assert condition(status, "RolledOut") == {
        "type": "RolledOut",
        "status": "False",
        "message": said,
    }
    assert status["annotations"] == DEPLOYMENT["annotations"]
    assert described["annotations"]["com.openfaas.local.rollout"] == said
    after = listed(provider, "late")
    assert (after["image"], "serving" in after) == ("late:2", False)


@pytest.mark.parametrize("body", [{}, {"functionName": ""}, {"name": "tiny"}])
def test_a_removal_without_a_name_is_refused(provider: Provider, body: dict[str, str]) -> None:
    answer = provider.system("DELETE", "/functions", body)

    assert (answer.status_code, answer.text) == (
        400,
        "functionName is missing: the function to remove\n",
    )


@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", "/namespace/"), ("PUT", "/namespace/other"), ("DELETE", "/namespaces/openfaas-fn")],
)
def test_namespaces_are_not_made_here(provider: Provider, method: str, path: str) -> None:
    answer = provider.system(method, path, {"name": "other"})

    assert answer.status_code == 501
    assert "there is only openfaas-fn" in answer.text
    assert provider.system("GET", "/namespaces").json() == ["openfaas-fn"]


def test_health_is_told_without_a_password(provider: Provider) -> None:
    answer = provider.http.get(f"{provider.url}/healthz", timeout=REQUEST_SECONDS)

    assert (answer.status_code, answer.text) == (200, "OK")
