"""Every manifest is what Kubernetes 1.34 takes, and Helm finds nothing wrong with the chart."""

from __future__ import annotations

import functools
from typing import Any

import pytest
from kubernetes_validate import utils, validate

from tests.helm import CHART, KUBERNETES, VALUE_FILES, Manifest, helm, rendered

# Kinds that Kubernetes does not know, and what their spec has at least; by their own documentation.
CUSTOM = {
    ("keda.sh/v1alpha1", "ScaledObject"): {"scaleTargetRef": dict, "triggers": list},
    ("monitoring.coreos.com/v1", "ServiceMonitor"): {"selector": dict, "endpoints": list},
}


@pytest.fixture(autouse=True)
def _read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Read each file of schemas once: the one with all definitions has a megabyte."""
    monkeypatch.setattr(utils, "schema_contents", _schema_contents)


_schema_contents = functools.cache(utils.schema_contents)


def check(manifest: Manifest) -> None:
    kind = manifest["apiVersion"], manifest["kind"]
    if kind not in CUSTOM:
        validate(manifest, KUBERNETES, strict=True)
        return
    spec: dict[str, Any] = manifest["spec"]
    for name, of_type in CUSTOM[kind].items():
        assert isinstance(spec[name], of_type), (kind, name)
        assert spec[name], (kind, name)


@pytest.mark.parametrize("values", VALUE_FILES)
def test_kubernetes_takes_every_manifest(values: str) -> None:
    for each in rendered(values):
        check(each)


def test_a_manifest_that_is_none_is_seen() -> None:
    service = next(each for each in rendered("demo") if each["kind"] == "Service")
    wrong = {**service, "spec": {**service["spec"], "port": 80}}

    with pytest.raises(Exception, match="port"):
        check(wrong)


def test_each_object_is_there_once() -> None:
    for values in VALUE_FILES:
        names = [
            (each["kind"], each["metadata"]["namespace"], each["metadata"]["name"])
            for each in rendered(values)
        ]
        assert len(names) == len(set(names))


@pytest.mark.parametrize("values", VALUE_FILES)
def test_helm_finds_nothing_wrong(values: str) -> None:
    done = helm("lint", "--strict", CHART, "--values", CHART / "ci" / f"{values}.yaml")

    assert done.returncode == 0, done.stdout


def test_custom_kinds_are_only_there_where_they_are_asked_for() -> None:
    kinds = {
        values: {each["kind"] for each in rendered(values)} & {kind for _, kind in CUSTOM}
        for values in VALUE_FILES
    }

    assert kinds == {
        "demo": set(), "external": set(), "minimal": set(),
        "ingress": {"ScaledObject", "ServiceMonitor"},
    }  # fmt: skip


def test_members_of_groups_keep_their_name_where_the_next_container_finds_it() -> None:
    deployments = [each for each in rendered("demo") if each["kind"] == "Deployment"]
    keeping = {
        each["metadata"]["labels"]["app.kubernetes.io/component"]: container["volumeMounts"]
        for each in deployments
        for container in each["spec"]["template"]["spec"]["containers"]
        for variable in container.get("env", [])
        if variable == {"name": "CONSUMER_MEMBER_FILE", "value": "/tmp/member"}
    }

    assert keeping.keys() == {"image-process-consumer", "async-call-consumer"}
    assert all({"name": "tmp", "mountPath": "/tmp"} in mounts for mounts in keeping.values())
