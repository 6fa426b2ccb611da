"""Every kind of model folder becomes a bundle whose scores are those of Keras."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from model import Model
from models import bundle
from models.check import check
from pipeline.errors import ModelRefused
from pipeline.models.manifest import Input

KINDS = {
    "saved": (Input(96, 96, 3), 7, "saved"),
    "below": (Input(80, 96, 3), 5, "pets"),
    "weights": (Input(96, 96, 3), 7, "pets"),
    "weights-grey": (Input(64, 48, 1), 3, "pets"),
    "grey": (Input(28, 36, 1), 3, "digits"),
    "logits": (Input(32, 32, 3), 4, "logits"),
    "scaling": (Input(32, 32, 3), 4, "rescaled"),
}


@pytest.fixture(scope="module")
def cache_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Keep conversions for the tests of this file."""
    return tmp_path_factory.mktemp("cache")


def prepared(folder: Path, cache_dir: Path) -> Model:
    return Model.from_files(bundle.prepare(folder, cache_dir).files)


def softmax(scores: NDArray[np.float32]) -> NDArray[np.float32]:
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True), np.float32)


def changed(folder: Path, target: Path, **files: str) -> Path:
    """Copy a model folder with other files; `__` in a name stands for a dot."""
    shutil.copytree(folder, target)
    for name, text in files.items():
        (target / name.replace("__", ".")).write_text(text)
    return target


@pytest.mark.parametrize("kind", KINDS)
def test_scores_are_those_of_keras(kind: str, made_models: Path, cache_dir: Path) -> None:
    size, classes, name = KINDS[kind]
    reference = np.load(made_models / f"{kind}.npz")
    expected = softmax(reference["scores"]) if kind == "logits" else reference["scores"]

    model = prepared(made_models / kind, cache_dir)

    ours = np.stack([model.predict(array[np.newaxis]) for array in reference["arrays"]])
    assert (model.manifest.input, len(model.labels), model.manifest.name) == (size, classes, name)
    assert np.ptp(expected) > 0.1
    assert np.abs(ours - expected).max() < 1e-4
    assert ours.argmax(axis=1).tolist() == expected.argmax(axis=1).tolist()


def test_a_model_that_scales_pixels_itself_is_given_them_as_they_are(
    made_models: Path, cache_dir: Path
) -> None:
    itself = prepared(made_models / "scaling", cache_dir).manifest
    other = prepared(made_models / "grey", cache_dir).manifest

    assert itself.preprocessing.scale == "none"
    assert other.preprocessing.scale == "minus-one-to-one"


def test_logits_are_told_from_probabilities(made_models: Path, cache_dir: Path) -> None:
    assert prepared(made_models / "logits", cache_dir).manifest.output == "logits"
    assert prepared(made_models / "saved", cache_dir).manifest.output == "probabilities"


def test_converting_a_saved_model_twice_gives_the_same_bundle(
    made_models: Path, cache_dir: Path, tmp_path: Path
) -> None:
    first = bundle.prepare(made_models / "logits", cache_dir)

    assert bundle.prepare(made_models / "logits", tmp_path) == first


def test_a_prepared_bundle_passes_its_check(made_models: Path, cache_dir: Path) -> None:
    made = bundle.prepare(made_models / "grey", cache_dir)

    assert check(made.files) == made.manifest


def test_channels_first_is_refused_by_name(made_models: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelRefused, match=r"is \(None, 3, 32, 32\), channels first; expected"):
        bundle.prepare(made_models / "first", tmp_path)


def test_labels_that_do_not_fit_are_refused(
    made_models: Path, cache_dir: Path, tmp_path: Path
) -> None:
    folder = changed(made_models / "grey", tmp_path / "m", labels__txt="a\nb")

    with pytest.raises(ModelRefused, match=r"has 2 labels; expected 3, the outputs of digits"):
        bundle.prepare(folder, cache_dir)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("architecture: MobileNetV9", "architecture is 'MobileNetV9'; expected .*MobileNetV2"),
        ("architecture: {name: MobileNetV2, size: 3}", "is given size; it takes alpha, classes"),
        ("architecture: MobileNetV2", r"pets.weights.h5 holds weights .* where MobileNetV2, .*has"),
    ],
)
def test_weights_of_another_architecture_are_refused(
    options: str, message: str, made_models: Path, tmp_path: Path
) -> None:
    folder = changed(made_models / "weights", tmp_path / "m", model__yaml=options)

    with pytest.raises(ModelRefused, match=message):
        bundle.prepare(folder, tmp_path / "cache")


def test_another_size_than_the_models_is_refused(made_models: Path, tmp_path: Path) -> None:
    options = "input: {height: 32}"
    folder = changed(made_models / "grey", tmp_path / "m", model__yaml=options)

    with pytest.raises(ModelRefused, match=r"takes Input\(height=28.*model.yaml says height: 32"):
        bundle.prepare(folder, tmp_path / "cache")


def test_open_sides_without_a_size_are_refused(made_models: Path, tmp_path: Path) -> None:
    folder = changed(made_models / "below", tmp_path / "m", model__yaml="version: '2'")

    with pytest.raises(ModelRefused, match="its size open; expected"):
        bundle.prepare(folder, tmp_path / "cache")
