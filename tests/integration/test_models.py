"""Model folders become bundles that answer as their sources do: real Keras, real LiteRT."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from model import Model
from models import bundle, shapes
from models.prepare import DEMONSTRATION
from preprocessing import preprocess
from tests.keras_reference import keras_scores

ROOT = Path(__file__).resolve().parents[2]
FIXTURES = ROOT.parent / "shared" / "fixtures"
PHOTOS = {
    "cat_720p.jpg": "Egyptian cat",
    "parrot.jpg": "macaw",
    "hot_dog.jpg": "hotdog",
    "bird.bmp": "chickadee",
}
CONVERSION_TIMEOUT_SECONDS = 800

needs_fixtures = pytest.mark.skipif(
    not FIXTURES.is_dir(), reason="the folder with real models and photos is not beside the project"
)


@pytest.fixture(scope="module")
def cache_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Keep conversions for the tests of this file only."""
    return tmp_path_factory.mktemp("cache")


def prepared(name: str, cache_dir: Path) -> Model:
    """Prepare a fixture model and load it as the classifier does."""
    return Model.from_files(bundle.prepare(FIXTURES / "models" / name, cache_dir).files)


def photo_arrays(model: Model) -> Mapping[str, NDArray[np.float32]]:
    """Preprocess the photos for a model."""
    arrays = {}
    for name in PHOTOS:
        with Image.open(FIXTURES / "photos" / name) as image:
            arrays[name] = preprocess(image.convert("RGB"), model.manifest).array
    return arrays


def run_prepare(*arguments: str, cache_dir: Path, **environment: str) -> tuple[int, str, str]:
    """Run the command as `make` does; returns exit status, stdout and stderr."""
    finished = subprocess.run(
        [sys.executable, "-m", "models.prepare", *arguments],
        cwd=ROOT,
        env={**os.environ, "CACHE_DIR": str(cache_dir), **environment},
        capture_output=True,
        text=True,
        timeout=CONVERSION_TIMEOUT_SECONDS,
    )
    return finished.returncode, finished.stdout, finished.stderr


@needs_fixtures
@pytest.mark.parametrize("name", ["mobilenet_v2_float32", "mobilenet_v2_int8"])
def test_real_model_folder_works_as_it_is(name: str, cache_dir: Path) -> None:
    model = prepared(name, cache_dir)

    for photo, array in photo_arrays(model).items():
        best, *_ = model.top_k(model.predict(array), 5)
        assert best.label.split(",")[0] == PHOTOS[photo]
        assert best.score > 0.5


@needs_fixtures
def test_converted_model_scores_as_keras_does(cache_dir: Path, tmp_path: Path) -> None:
    model = prepared("mobilenet_v2_float32", cache_dir)
    arrays = np.concatenate(list(photo_arrays(model).values()))

    ours = np.stack([model.predict(array[np.newaxis]) for array in arrays])

    source_file = FIXTURES / "models" / "mobilenet_v2_float32" / model.manifest.source.file
    assert ours.dtype == np.float32
    assert np.abs(ours - keras_scores(source_file, arrays, tmp_path)).max() < 1e-4


@needs_fixtures
def test_converting_twice_gives_the_same_model_id(cache_dir: Path, tmp_path: Path) -> None:
    first = prepared("mobilenet_v2_float32", cache_dir).manifest

    again = prepared("mobilenet_v2_float32", tmp_path).manifest

    assert again == first


@needs_fixtures
def test_second_preparation_imports_no_tensorflow(cache_dir: Path) -> None:
    folder = str(FIXTURES / "models" / "mobilenet_v2_float32")
    expected = prepared("mobilenet_v2_float32", cache_dir).manifest.model_id

    status, out, said = run_prepare(
        "--model-dir", folder, cache_dir=cache_dir, PYTHONPROFILEIMPORTTIME="1"
    )

    assert (status, out) == (0, f"{expected}\n")
    assert "models.bundle" in said
    assert "tensorflow" not in said
    assert "ai_edge_litert" not in said


@needs_fixtures
def test_labels_that_do_not_fit_the_outputs_are_refused(tmp_path: Path) -> None:
    folder = shutil.copytree(
        FIXTURES / "models" / "mobilenet_v2_int8", tmp_path / "m", copy_function=shutil.copyfile
    )
    labels = (folder / "labels.txt").read_bytes().split(b"\n", 1)[1]
    (folder / "labels.txt").write_bytes(labels)

    status, out, said = run_prepare("--model-dir", str(folder), cache_dir=tmp_path)

    assert (status, out) == (1, "")
    assert "has 1000 labels; expected 1001, the outputs of mobilenet_v2.tflite" in said


def test_demonstration_model_knows_the_shapes_it_has_not_seen(tmp_path: Path) -> None:
    model = Model.from_files(bundle.prepare(DEMONSTRATION, tmp_path).files)

    right = 0
    for picture, index in shapes.pictures(seed=7, count=200, width=320, height=240):
        scores = model.predict(preprocess(picture, model.manifest).array)
        right += int(scores.argmax()) == index

    assert model.manifest.demonstration
    assert right >= 190


def test_demonstration_example_is_a_star_without_doubt(tmp_path: Path) -> None:
    model = Model.from_files(bundle.prepare(DEMONSTRATION, tmp_path).files)

    with Image.open(DEMONSTRATION / "example.png") as image:
        scores = model.predict(preprocess(image, model.manifest).array)

    (best,) = model.top_k(scores, 1)
    assert best.label == "star"
    assert best.score > 0.95


def test_demonstration_files_are_small() -> None:
    assert (DEMONSTRATION / "model.tflite").stat().st_size < 200_000
    assert (DEMONSTRATION / "example.png").stat().st_size < 20_000


def test_without_any_model_the_demonstration_is_chosen(tmp_path: Path) -> None:
    status, out, said = run_prepare(cache_dir=tmp_path)

    assert status == 0
    assert out.startswith("demonstration-")
    assert "using the demonstration model" in said


def test_litert_files_need_no_tensorflow(tmp_path: Path) -> None:
    hidden = tmp_path / "hidden" / "tensorflow"
    hidden.mkdir(parents=True)
    (hidden / "__init__.py").write_text("raise ImportError('hidden by the test')\n")

    status, out, _ = run_prepare(cache_dir=tmp_path, PYTHONPATH=str(hidden.parent))

    assert status == 0
    assert out.startswith("demonstration-")


def test_file_that_keras_cannot_read_is_refused_with_its_reason(tmp_path: Path) -> None:
    (tmp_path / "broken.keras").write_bytes(b"no zip file")
    (tmp_path / "labels.txt").write_text("a\nb\n")

    status, out, said = run_prepare("--model-dir", str(tmp_path), cache_dir=tmp_path)

    assert (status, out) == (1, "")
    assert "converting broken.keras to LiteRT" in said
    assert "ValueError: File not found" in said
    assert "Traceback" not in said


def test_download_that_cannot_reach_its_host_says_what_to_do_instead(tmp_path: Path) -> None:
    nowhere = "http://127.0.0.1:9"  # the discard port: nothing listens there

    status, out, said = run_prepare(
        "--download", cache_dir=tmp_path, https_proxy=nowhere, HTTPS_PROXY=nowhere
    )

    assert (status, out) == (1, "")
    assert "URL fetch failure on https://storage.googleapis.com" in said
    assert "MODEL_DIR=" in said
    assert not (tmp_path / "models" / "imagenet-mobilenet-v2").exists()


def test_store_that_does_not_answer_is_named_without_a_trace(tmp_path: Path) -> None:
    (tmp_path / "minio-imagectl").write_text("any-name:any-secret")

    status, out, said = run_prepare(
        "--publish",
        cache_dir=tmp_path,
        MINIO_ENDPOINT="127.0.0.1:9",
        SECRETS_DIR=str(tmp_path),
    )

    assert (status, out) == (1, "")
    assert said.endswith("error: MinIO does not answer: ConnectionRefusedError\n")
