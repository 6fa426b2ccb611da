"""What every rendered pod and object keeps to, whatever the values."""

from __future__ import annotations

import base64
import json
import re
from typing import Any

import pytest

from tests.chart import pods
from tests.chart.pods import Pod
from tests.helm import NAMESPACE, VALUE_FILES, Manifest, rendered

# Those of "restricted", https://kubernetes.io/docs/concepts/security/pod-security-standards
VOLUMES = {
    "configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim",
    "projected", "secret",
}  # fmt: skip
# Secrets and claims of the files' own values, and OpenFaaS'.
GIVEN = {
    "external": {"image-pipeline-logins", "s3-root", "kafka-super-user", "redis-admin", "birds"},
    "ingress": {"gateway-certificate", "photos-certificate", "services"},
}
IMAGE = re.compile(r"[a-z0-9][a-z0-9._/-]*(:[\w][\w.-]*|@sha256:[0-9a-f]{64})")
QUANTITY = {"cpu", "memory"}

everywhere = pytest.mark.parametrize("values", VALUE_FILES)


def violations(pod: Pod) -> list[str]:
    """What Pod Security's level "restricted" would refuse, and what we want beside it."""
    spec = pod.spec
    security = spec.get("securityContext", {})
    found = {
        "may be root": security.get("runAsNonRoot") is not True or not security.get("runAsUser"),
        "has no seccomp profile": security.get("seccompProfile") != {"type": "RuntimeDefault"},
        "shares the host's": any(spec.get(it) for it in ("hostNetwork", "hostPID", "hostIPC")),
        "has a token": spec.get("automountServiceAccountToken") is not False,
        "is told of all Services": spec.get("enableServiceLinks") is not False,
        "has a volume that is not allowed": any(
            not each.keys() - {"name"} <= VOLUMES for each in spec.get("volumes", [])
        ),
    }
    for each in pod.containers():
        found |= {f"{each['name']} {what}": is_so for what, is_so in _of_container(each).items()}
    return [what for what, is_so in found.items() if is_so]


def _of_container(container: dict[str, Any]) -> dict[str, bool]:
    security = container.get("securityContext", {})
    resources = container.get("resources", {})
    image = container["image"]
    return {
        "may gain rights": security.get("allowPrivilegeEscalation") is not False,
        "has capabilities": security.get("capabilities") != {"drop": ["ALL"]},
        "writes its root": security.get("readOnlyRootFilesystem") is not True,
        "is privileged": bool(security.get("privileged")),
        "has another user": bool({"runAsUser", "runAsNonRoot"} & security.keys()),
        "has no limits": resources.get("limits", {}).keys() != QUANTITY,
        "requests nothing": resources.get("requests", {}).keys() != QUANTITY,
        "has no version": not IMAGE.fullmatch(image) or image.endswith(":latest"),
        "opens the node's port": any("hostPort" in port for port in container.get("ports", [])),
    }


@everywhere
def test_pods_are_restricted_and_bounded(values: str) -> None:
    found = {pod.name: wrong for pod in pods.of(rendered(values)) if (wrong := violations(pod))}

    assert found == {}


def test_a_pod_that_is_not_is_seen() -> None:
    pod = next(pod for pod in pods.of(rendered("demo")) if pod.part == "gateway")
    container = {**pod.spec["containers"][0], "securityContext": {}, "resources": {}}
    careless = {"containers": [{**container, "image": "nginx:latest"}], "hostPID": True}

    found = violations(Pod(pod.kind, pod.name, pod.namespace, pod.labels, careless))

    assert len(found) == 5 + 6


@everywhere
def test_no_account_of_kubernetes_has_a_token_or_a_right(values: str) -> None:
    manifests = rendered(values)
    accounts = [each for each in manifests if each["kind"] == "ServiceAccount"]
    kinds = {each["kind"] for each in manifests}

    assert accounts
    assert all(each["automountServiceAccountToken"] is False for each in accounts)
    assert not kinds & {"Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding"}
    names = {each["metadata"]["name"] for each in accounts}
    assert {pod.spec["serviceAccountName"] for pod in pods.of(manifests)} <= names


def secret_values(manifests: tuple[Manifest, ...]) -> set[str]:
    """Everything that lies in a Secret, but the certificate that everybody may see."""
    secrets = [each for each in manifests if each["kind"] == "Secret"]
    encoded = [text for each in secrets for text in each.get("data", {}).values()]
    return {base64.b64decode(text).decode() for text in encoded}


@everywhere
def test_no_secret_is_in_plain_text(values: str) -> None:
    manifests = rendered(values)
    others = json.dumps([each for each in manifests if each["kind"] != "Secret"])
    variables = [
        (pod.name, variable)
        for pod in pods.of(manifests)
        for each in pod.containers()
        for variable in each.get("env", [])
    ]

    # The names of users are no secret: MinIO's is the only one that has a file of its own.
    told = {text for text in secret_values(manifests) if not text.startswith("pipeline-")}
    assert not [text for text in told if (text.partition(":")[2] or text) in others]
    # A variable is shown by many a tool, and inherited by every child.
    assert not [each for each in variables if "secretKeyRef" in str(each)]
    assert not [
        name for name, each in variables
        if re.search("PASSWORD|SECRET|TOKEN|_KEY$", each["name"])
        and not each["name"].endswith(("_FILE", "_DIR", "_VERIFIER"))
    ]  # fmt: skip


@everywhere
def test_every_service_leads_to_ports_of_pods(values: str) -> None:
    manifests = rendered(values)
    everything = pods.of(manifests)
    for service in (each for each in manifests if each["kind"] == "Service"):
        selector = {"matchLabels": service["spec"]["selector"]}
        chosen = [pod for pod in everything if pods.selected(selector, pod.labels)]
        assert {pod.kind for pod in chosen} <= {"Deployment", "StatefulSet"}
        assert len({pod.name for pod in chosen}) == 1, service["metadata"]["name"]
        ports = {port["targetPort"] for port in service["spec"]["ports"]}
        assert ports <= chosen[0].ports().keys()


@everywhere
def test_whatever_is_named_is_there_or_given(values: str) -> None:
    manifests = rendered(values)
    there = {
        (each["kind"], each["metadata"]["name"]): set(each.get("data", {})) for each in manifests
    }
    given = GIVEN.get(values, set()) | {"basic-auth"}
    if values == "minimal":
        assert not [each for each in manifests if each["kind"] == "PersistentVolumeClaim"]
    for pod in pods.of(manifests):
        assert pod.namespace == NAMESPACE
        volumes = {each["name"]: each for each in pod.spec.get("volumes", [])}
        claims = {"data"} if pod.part in {"kafka", "minio"} else set()
        for container in pod.containers():
            mounts = [each["name"] for each in container.get("volumeMounts", [])]
            assert set(mounts) <= volumes.keys() | claims
            for source in container.get("envFrom", []):
                assert ("ConfigMap", source["configMapRef"]["name"]) in there
        for kind, name, keys in _named(volumes.values()):
            assert name in given or keys <= there[kind, name], (pod.name, name, keys)


def _named(volumes: Any) -> list[tuple[str, str, set[str]]]:
    found = []
    for volume in volumes:
        sources = volume.get("projected", {}).get("sources", [volume])
        for each in sources:
            for word, kind, key in (
                ("secret", "Secret", "secretName"), ("configMap", "ConfigMap", "name"),
            ):  # fmt: skip
                if told := each.get(word):
                    keys = {item["key"] for item in told.get("items", [])}
                    found.append((kind, told.get(key) or told["name"], keys))
            if claim := each.get("persistentVolumeClaim"):
                found.append(("PersistentVolumeClaim", claim["claimName"], set()))
    return found


@everywhere
def test_what_serves_is_asked_for_health_and_what_is_doubled_keeps_one_when_a_node_goes(
    values: str,
) -> None:
    manifests = rendered(values)
    budgets = [
        each["spec"]["selector"] for each in manifests if each["kind"] == "PodDisruptionBudget"
    ]
    for pod in pods.of(manifests):
        if pod.kind in {"Deployment", "StatefulSet"} and pod.ports():
            (container,) = pod.spec["containers"]
            assert {"readinessProbe", "livenessProbe"} <= container.keys(), pod.name
        is_doubled = "topologySpreadConstraints" in pod.spec
        assert not is_doubled or any(pods.selected(each, pod.labels) for each in budgets), pod.name
    everything = pods.of(manifests)
    assert all(any(pods.selected(each, pod.labels) for pod in everything) for each in budgets)


@everywhere
def test_labels_and_namespaces_are_of_the_release(values: str) -> None:
    for each in rendered(values):
        labels = each["metadata"]["labels"]
        assert labels["app.kubernetes.io/instance"] == "image-pipeline"
        assert labels["app.kubernetes.io/version"]
        assert each["metadata"]["namespace"] in {NAMESPACE, "openfaas-fn"}


@everywhere
def test_a_job_has_a_name_of_its_own_for_each_release(values: str) -> None:
    jobs = [each["metadata"]["name"] for each in rendered(values) if each["kind"] == "Job"]

    assert all(re.search("-[0-9a-f]{8}$", name) for name in jobs)
    assert (
        len(jobs)
        == len(set(jobs))
        == {"minimal": 0, "demo": 4, "external": 5, "ingress": 4}[values]
    )
