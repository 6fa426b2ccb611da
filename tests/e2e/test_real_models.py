"""Real MobileNetV2 weights and real photos, through the whole system."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline import images
from pipeline.manifest import Manifest
from pipeline.settings import Settings
from preprocessing import preprocess
from tests.conftest import FIXTURES
from tests.keras_reference import keras_scores
from tests.stack import LocalStack, running_stack

LABELS = {
    "cat_720p.jpg": "Egyptian cat",
    "parrot.jpg": "macaw",
    "hot_dog.jpg": "hotdog",
    "bird.bmp": "chickadee",
}
FLOAT32 = FIXTURES / "models" / "mobilenet_v2_float32"
INT8 = FIXTURES / "models" / "mobilenet_v2_int8"


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory, photos: Path) -> Iterator[LocalStack]:
    """A stack of its own: it changes its model while it runs."""
    with running_stack(tmp_path_factory.mktemp("models"), model_dir=FLOAT32) as running:
        yield running


def upload(stack: LocalStack, photo: Path) -> dict[str, Any]:
    """Send a photo as the printed curl line does; return the finished job and its seconds."""
    started = time.monotonic()
    with photo.open("rb") as file:
        response = stack.request("POST", "/api/v1/images", files={"file": (photo.name, file)})
    assert response.status_code == 202, response.text
    job = stack.finished(response.json()["jobId"])
    return {**job, "seconds": time.monotonic() - started}


def manifest(stack: LocalStack) -> Manifest:
    current = stack.store.get("models", "current")
    assert current is not None
    return Manifest.from_json(stack.store.get("models", f"{current.decode()}/model.json") or b"")


def first_label(job: dict[str, Any]) -> str:
    label: str = job["result"]["labels"][0]["label"]
    return label.split(",")[0]


@pytest.mark.parametrize("name", LABELS)
def test_a_photo_gets_its_label_from_float32(stack: LocalStack, photos: Path, name: str) -> None:
    job = upload(stack, photos / name)

    assert job["status"] == "completed"
    assert first_label(job) == LABELS[name]
    assert job["result"]["model"]["name"] == "mobilenet_v2"
    assert job["result"]["model"]["demonstration"] is False
    assert job["result"]["originalFileName"] == name


def test_the_scores_are_those_of_plain_keras(
    stack: LocalStack, photos: Path, tmp_path: Path
) -> None:
    model = manifest(stack)
    limits = images.Limits.from_settings(Settings())
    arrays = [
        preprocess(
            images.decode((photos / name).read_bytes(), limits, model.preprocessing.min_short_side),
            model,
        ).array
        for name in LABELS
    ]
    answers = [upload(stack, photos / name)["result"]["labels"] for name in LABELS]
    labels = (FLOAT32 / "labels.txt").read_text().splitlines()

    expected = keras_scores(FLOAT32 / model.source.file, np.concatenate(arrays), tmp_path)

    for answer, scores in zip(answers, expected, strict=True):
        best = np.argsort(-scores)[: len(answer)]
        assert [each["label"] for each in answer] == [labels[index] for index in best]
        assert np.abs(scores[best] - [each["score"] for each in answer]).max() < 1e-3


def test_another_model_is_served_after_make_up_names_it(stack: LocalStack, photos: Path) -> None:
    before = manifest(stack).model_id

    switched = stack.command("up", "--model-dir", str(INT8))

    assert switched.returncode == 0, switched.stdout + switched.stderr
    assert manifest(stack).model_id != before
    for name, label in LABELS.items():
        job = upload(stack, photos / name)
        assert first_label(job) == label
        assert job["result"]["modelId"] == manifest(stack).model_id


def test_the_model_is_remembered(stack: LocalStack) -> None:
    again = stack.command("up")

    assert again.returncode == 0
    assert "running already" in again.stdout
    assert manifest(stack).model_id in again.stdout
