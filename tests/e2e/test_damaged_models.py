"""A model in MinIO that is not what was put there is refused, and the one before serves on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from imagectl.served_model import ServedModel, model_of
from pipeline.ids import MODEL_BUCKET
from tests import pictures
from tests.imagectl import added, current, imagectl
from tests.sending import accepted
from tests.stack import Stack, until


def _one_bit(data: bytes) -> bytes:
    changed = bytearray(data)
    changed[len(changed) // 2] ^= 1
    return bytes(changed)


def _labels_swapped(data: bytes) -> bytes:
    first, second, *others = data.splitlines(keepends=True)
    return b"".join([second, first, *others])


class Damaged:
    """A model in MinIO, a file of which is not what was put there."""

    def __init__(
        self,
        stack: Stack,
        model_id: str,
        file: str,
        damage: Callable[[bytes], bytes] = _one_bit,
    ) -> None:
        self._damage = damage
        self.model_id = model_id
        self._stack, self._key = stack, f"{model_id}/{file}"
        self._whole = stack.store.get(MODEL_BUCKET, self._key) or b""

    def __enter__(self) -> Damaged:
        data = self._damage(self._whole)
        self._stack.store.put(MODEL_BUCKET, self._key, data, "application/octet-stream")
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.store.put(MODEL_BUCKET, self._key, self._whole, "application/octet-stream")


@pytest.mark.parametrize("file", ["model.tflite", "labels.txt"])
def test_a_damaged_model_is_refused_before_anything_is_switched(
    stack: Stack, made_models: Path, file: str
) -> None:
    other = added(stack, made_models / "logits")
    before = current(stack)

    with Damaged(stack, other, file):
        refused = imagectl(stack, "models", "use", other)

    assert refused.returncode == 1
    assert f"{other}/{file}" in refused.stderr
    assert "its manifest expects" in refused.stderr
    assert current(stack) == before
    functions = ServedModel(stack.settings).functions_with_a_model()
    assert {model_of(function) for function in functions} == {before}


@pytest.mark.parametrize(
    ("file", "damage"), [("model.tflite", _one_bit), ("labels.txt", _labels_swapped)]
)
def test_a_classifier_told_a_damaged_model_does_not_start_and_the_old_one_serves_on(
    stack: Stack, made_models: Path, file: str, damage: Callable[[bytes], bytes]
) -> None:
    other, before = added(stack, made_models / "logits"), current(stack)
    openfaas = ServedModel(stack.settings)
    (classifier, *_) = openfaas.functions_with_a_model()
    assert classifier["name"] == "image-classifier"

    try:
        with Damaged(stack, other, file, damage):
            openfaas.deploy(classifier, other)
            why = until(lambda: failed_rollout(stack), 180)
            job = accepted(stack, pictures.fresh("beside a damaged model"))
            state: Any = stack.finished(job["jobId"])
    finally:
        openfaas.deploy(classifier, before)
        openfaas.wait(classifier, before, 180)

    assert f"{other}/{file}" in why
    assert "its manifest expects" in why
    assert state["result"]["modelId"] == before


def failed_rollout(stack: Stack) -> str | None:
    """What the provider says of an update that failed."""
    auth = (stack.secret("basic-auth-user"), stack.secret("basic-auth-password"))
    described = stack.request("GET", "/system/function/image-classifier", auth=auth).json()
    said = str(described["annotations"].get("com.openfaas.local.rollout", ""))
    return said if said.startswith("failed") else None


def test_a_model_that_minio_does_not_hold_is_refused(stack: Stack) -> None:
    refused = imagectl(stack, "models", "use", "nothing-000000000000")

    assert refused.returncode == 1
    assert "MinIO holds no model nothing-000000000000; it holds" in refused.stderr
