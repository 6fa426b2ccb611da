"""Real MobileNetV2 weights and real photos, through the whole system."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.images import decoding
from pipeline.models.manifest import Manifest
from pipeline.settings import Settings
from preprocessing import preprocess
from tests.conftest import FIXTURES
from tests.imagectl import added, current, use
from tests.keras_reference import keras_scores
from tests.stack import Stack, until

LABELS = {
    "cat_720p.jpg": "Egyptian cat",
    "parrot.jpg": "macaw",
    "hot_dog.jpg": "hotdog",
    "bird.bmp": "chickadee",
}
FLOAT32 = FIXTURES / "models" / "mobilenet_v2_float32"
INT8 = FIXTURES / "models" / "mobilenet_v2_int8"

# The models are converted and asked by TensorFlow.
pytestmark = pytest.mark.timeout(1800)


@pytest.fixture(scope="module")
def float32(stack: Stack, photos: Path) -> Iterator[str]:
    """The real model, which the system holds; it serves at last what it served before."""
    before = current(stack)
    yield added(stack, FLOAT32)
    use(stack, before)


@pytest.fixture(autouse=True)
def served(stack: Stack, float32: str) -> None:
    """The system serves the real model, whatever another test chose."""
    if current(stack) != float32:
        use(stack, float32)


def upload(stack: Stack, photo: Path) -> dict[str, Any]:
    """Send a photo as the printed curl line does, until it is accepted; the finished job."""
    file = (photo.name, photo.read_bytes())

    def sent() -> str | None:
        response = stack.request("POST", "/api/v1/images", files={"file": file})
        assert response.status_code in (202, 429, 503), response.text
        return str(response.json()["jobId"]) if response.status_code == 202 else None

    return stack.finished(until(sent))


def manifest(stack: Stack) -> Manifest:
    return Manifest.from_json(stack.store.get("models", f"{current(stack)}/model.json") or b"")


def first_label(job: dict[str, Any]) -> str:
    label: str = job["result"]["labels"][0]["label"]
    return label.split(",")[0]


@pytest.mark.parametrize("name", LABELS)
def test_a_photo_gets_its_label_from_float32(stack: Stack, photos: Path, name: str) -> None:
    job = upload(stack, photos / name)

    assert job["status"] == "completed"
    assert first_label(job) == LABELS[name]
    assert job["result"]["model"]["name"] == "mobilenet_v2"
    assert job["result"]["model"]["demonstration"] is False
    assert job["result"]["originalFileName"] == name


def test_the_scores_are_those_of_plain_keras(stack: Stack, photos: Path, tmp_path: Path) -> None:
    model = manifest(stack)
    limits = decoding.Limits.from_settings(Settings())
    arrays = [
        preprocess(
            decoding.decode(
                (photos / name).read_bytes(), limits, model.preprocessing.min_short_side
            ),
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


def test_another_model_is_served_after_it_is_chosen(stack: Stack, photos: Path) -> None:
    before = current(stack)

    use(stack, added(stack, INT8))

    assert current(stack) != before
    for name, label in LABELS.items():
        job = upload(stack, photos / name)
        assert first_label(job) == label
        assert job["result"]["modelId"] == current(stack)
