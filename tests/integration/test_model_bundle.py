"""Bundles of the demonstration model: what model.yaml may say, and what loading one refuses."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from model import Model
from models import bundle
from models.prepare import DEMONSTRATION
from pipeline.errors import ModelRefused
from pipeline.models.manifest import BUNDLE_FILES, Input, Preprocessing


def test_logits_become_probabilities(tmp_path: Path) -> None:
    made = bundle.prepare(DEMONSTRATION, tmp_path)
    model = Model(replace(made.manifest, output="logits"), made.model, made.labels)

    scores = model.predict(np.zeros((1, 64, 64, 3), np.float32))

    assert scores.dtype == np.float32
    assert scores.sum() == pytest.approx(1)


def test_model_that_takes_another_size_than_its_manifest_says_is_refused(tmp_path: Path) -> None:
    made = bundle.prepare(DEMONSTRATION, tmp_path)

    with pytest.raises(ModelRefused, match=r"takes \(1, 64, 64, 3\); its manifest says \(1, 32,"):
        Model(replace(made.manifest, input=Input(32, 64, 3)), made.model, made.labels)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("input: {height: 32}", "takes .* model.yaml says height: 32"),
        ("preprocessing: {crop: 7}", "crop is 7.0; expected 0.1 to 1"),
        ("preprocessing: {zoom: 2}", "preprocessing says zoom; expected scale, crop"),
        ("output: votes", "output is 'votes'; expected probabilities or logits"),
        ("name: a/b", "model name is 'a/b'"),
    ],
)
def test_model_yaml_that_does_not_fit_the_model_is_refused(
    options: str, message: str, tmp_path: Path
) -> None:
    for name in ("model.tflite", "labels.txt"):
        shutil.copyfile(DEMONSTRATION / name, tmp_path / name)
    (tmp_path / "model.yaml").write_text(options)

    with pytest.raises(ModelRefused, match=message):
        bundle.prepare(tmp_path, tmp_path / "cache")


def test_bare_litert_file_is_described_by_itself(tmp_path: Path) -> None:
    shutil.copyfile(DEMONSTRATION / "model.tflite", tmp_path / "shapes.tflite")
    shutil.copyfile(DEMONSTRATION / "labels.txt", tmp_path / "labels.txt")

    described = bundle.prepare(tmp_path, tmp_path / "cache").manifest

    assert described.name == "shapes"
    assert not described.demonstration
    assert described.output == "probabilities"
    assert described.preprocessing == Preprocessing("minus-one-to-one", 0.875, 146)


@pytest.mark.parametrize("file", BUNDLE_FILES)
def test_bundle_with_one_flipped_bit_is_refused(file: str, tmp_path: Path) -> None:
    files = dict(bundle.prepare(DEMONSTRATION, tmp_path).files)
    damaged = bytearray(files[file])
    damaged[len(damaged) // 2] ^= 1
    files[file] = bytes(damaged)

    with pytest.raises(ModelRefused):
        Model.from_files(files)


def test_bundle_with_two_labels_swapped_is_refused(tmp_path: Path) -> None:
    files = dict(bundle.prepare(DEMONSTRATION, tmp_path).files)
    first, second, *others = files["labels.txt"].splitlines(keepends=True)
    files["labels.txt"] = b"".join([second, first, *others])

    with pytest.raises(ModelRefused, match=r"labels\.txt .* has SHA-256 .* expects"):
        Model.from_files(files)


def test_bundle_without_labels_is_refused(tmp_path: Path) -> None:
    files = dict(bundle.prepare(DEMONSTRATION, tmp_path).files)
    del files["labels.txt"]

    with pytest.raises(ModelRefused, match=r"has no labels\.txt"):
        Model.from_files(files)


def test_damaged_cache_is_made_anew(tmp_path: Path) -> None:
    first = bundle.prepare(DEMONSTRATION, tmp_path)
    (kept,) = (tmp_path / "models").iterdir()
    (kept / "model.tflite").write_bytes(b"damaged")

    again = bundle.prepare(DEMONSTRATION, tmp_path)

    assert again == first
    assert (kept / "model.tflite").read_bytes() == first.model
