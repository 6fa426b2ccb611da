"""Deploy requests are checked before anything is done."""

from __future__ import annotations

from typing import Any

import pytest

from local.provider.deployments.spec import Spec
from local.provider.limits.scaling import MAX_REPLICAS, number_of_replicas
from local.provider.refusal import Refused

GOOD = {"service": "resize", "image": "registry.example/team/resize:1.2@sha256:abc"}


def test_image_names_a_folder_of_build() -> None:
    assert Spec.from_request(GOOD).build_name == "resize"


def test_optional_parts_may_be_absent_or_null() -> None:
    spec = Spec.from_request({**GOOD, "envVars": None, "secrets": None, "namespace": ""})

    assert (spec.env, spec.secrets, spec.labels, spec.scaling.least) == ({}, [], {}, 1)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"service": "../escape"}, "function name"),
        ({"service": "Upper"}, "function name"),
        ({"service": ""}, "function name"),
        ({"service": "a" * 64}, "function name"),
        ({"image": ".."}, "image"),
        ({"image": ""}, "image"),
        ({"namespace": "other"}, "namespace 'other' does not exist"),
        ({"envVars": {"A": 1}}, "envVars must be an object of texts"),
        ({"secrets": "key"}, "secrets must be a list"),
        ({"envProcess": ["python"]}, "envProcess must be a text"),
        ({"labels": {"com.openfaas.scale.min": "many"}}, "'many' replicas are not possible"),
        ({"labels": {"com.openfaas.scale.min": "3", "com.openfaas.scale.max": "2"}}, "at least 3"),
        ({"limits": {"memory": "64m"}}, "limits.memory '64m' is not possible"),
        ({"limits": {"memory": "1Ki"}}, "at least 4Mi"),
        ({"requests": {"cpu": "half"}}, "requests.cpu 'half' is not possible; write it as 250m"),
        ({"requests": {"cpu": "0m"}}, "requests.cpu '0m' is not possible"),
        ({"annotations": {"com.openfaas.local.max-inflight": "0"}}, "a number from 1"),
        ({"annotations": {"com.openfaas.health.http.path": "healthz"}}, "a path such as"),
        ({"annotations": {"com.openfaas.ready.http.initialDelay": "soon"}}, "must be a duration"),
        ({"annotations": {"com.openfaas.health.http.periodSeconds": "6m"}}, "at most 300 s"),
        ({"envVars": {"exec_timeout": "a while"}}, "exec_timeout is 'a while'; write it as Go"),
        ({"labels": {"faas_function": "other"}}, "it can be 'resize' alone"),
        ({"labels": {"two words": "x"}}, "labels has the name 'two words'; allowed are up to 63"),
        ({"labels": {"team": "red team"}}, "label team is 'red team'; allowed are up to 63"),
        ({"labels": {"team": "r" * 64}}, "label team is 'rrr"),
        ({"labels": {"/team": "red"}}, "labels has the name '/team'"),
        ({"annotations": {"-topic": "x"}}, "annotations has the name '-topic'"),
        ({"annotations": {"a": "x" * 262_144}}, "annotations have 262145 bytes; 262144 are"),
        ({"readOnlyRootFilesystem": "yes"}, "must be true or false"),
    ],
)
def test_request_that_cannot_be_done_is_refused_with_its_reason(
    change: dict[str, Any], message: str
) -> None:
    with pytest.raises(Refused, match=message) as refused:
        Spec.from_request({**GOOD, **change})

    assert refused.value.status == 400


def test_labels_and_annotations_may_be_what_kubernetes_takes() -> None:
    labels = {"team": "", "example.com/Team_1.x": "Red-1_2.3", "a": "r" * 63}
    annotations = {"example.com/why": "any words: even \n these", "b" * 63: "x" * 1_000}

    spec = Spec.from_request({**GOOD, "labels": labels, "annotations": annotations})

    assert (spec.labels, spec.annotations) == (labels, annotations)


@pytest.mark.parametrize("value", [-1, MAX_REPLICAS + 1, None, "1.5", True])
def test_impossible_number_of_replicas_is_refused(value: Any) -> None:
    for kind in (str, int):
        with pytest.raises(Refused):
            number_of_replicas(value, kind)


def test_a_label_has_its_number_in_a_text_and_a_request_has_a_number() -> None:
    assert (number_of_replicas("3"), number_of_replicas(3, int)) == (3, 3)
    for value, kind in ((3, str), ("3", int), (True, int)):
        with pytest.raises(Refused):
            number_of_replicas(value, kind)


@pytest.mark.parametrize(
    ("quantity", "size"),
    [
        ("128Mi", 128 * 1024**2),
        ("1.5Gi", 3 * 1024**3 // 2),
        ("64M", 64_000_000),
        ("9999999", 9999999),
    ],
)
def test_memory_is_written_as_kubernetes_writes_it(quantity: str, size: int) -> None:
    assert Spec.from_request({**GOOD, "limits": {"memory": quantity}}).memory_bytes == size


@pytest.mark.parametrize(
    ("quantity", "value"),
    [("", 5), ("1", 5), ("4000m", 5), ("250m", 11), ("0.1", 15), ("50m", 18), ("1m", 19)],
)
def test_a_share_of_the_processors_is_a_nice_value(quantity: str, value: int) -> None:
    assert Spec.from_request({**GOOD, "requests": {"cpu": quantity}}).nice_value == value


@pytest.mark.parametrize(
    ("zero", "asked_for", "allowed"),
    [(None, 0, 2), (None, 1, 2), (None, 9, 4), (None, 3, 3), ("true", 0, 0), ("true", 1, 2)],
)
def test_scaling_stays_within_the_labels(zero: str | None, asked_for: int, allowed: int) -> None:
    labels = {"com.openfaas.scale.min": "2", "com.openfaas.scale.max": "4"}
    labels |= {"com.openfaas.scale.zero": zero} if zero else {}

    assert Spec.from_request({**GOOD, "labels": labels}).scaling.clamp(asked_for) == allowed


def test_what_the_provider_said_of_a_function_is_no_part_of_its_deployment() -> None:
    said = {"com.openfaas.local.rollout": "in progress", "com.openfaas.local.restarts": "many"}
    request = {**GOOD, "labels": {"faas_function": "resize", "a": "b"}, "annotations": said}

    spec = Spec.from_request(request)

    assert (spec.labels, spec.annotations) == ({"a": "b"}, {})
