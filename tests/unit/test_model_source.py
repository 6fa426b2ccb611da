"""Which model folders are read, and why others are refused."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from models import source
from pipeline.errors import ModelRefused
from pipeline.models.manifest import sha256


def folder_with(tmp_path: Path, **files: bytes) -> Path:
    """Fill a folder; `__` in a name stands for a dot."""
    for name, data in files.items():
        (tmp_path / name.replace("__", ".")).write_bytes(data)
    return tmp_path


def test_bare_model_with_labels_is_named_after_its_file(tmp_path: Path) -> None:
    folder = folder_with(tmp_path, labels__txt=b"cat\ndog\n")
    (folder / "my pets (v1.2).tflite").write_bytes(b"weights")

    given = source.read(folder)

    assert given.name == "my-pets-v1-2-"
    assert given.labels == ("cat", "dog")
    assert given.is_litert
    assert given.sha256 == sha256(b"weights")


def test_model_yaml_names_the_model(tmp_path: Path) -> None:
    options = b"name: pets\nversion: '3'\naccuracy: 1\ndemonstration: true\n"
    folder = folder_with(tmp_path, m__keras=b"x", labels__txt=b"a\nb", model__yaml=options)

    given = source.read(folder)

    assert given.name == "pets"
    assert given.options["version"] == "3"
    assert not given.is_litert


def test_digest_that_fits_is_accepted(tmp_path: Path) -> None:
    options = f"sha256: '{sha256(b'x')}'".encode()

    source.read(folder_with(tmp_path, m__keras=b"x", labels__txt=b"a\nb", model__yaml=options))


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"labels__txt": b"a\nb"}, r"holds 0 models \(none\); expected one"),
        ({"a__tflite": b"", "b__keras": b""}, r"holds 2 models \(a\.tflite, b\.keras\)"),
        ({"a__h5": b""}, r"holds a\.h5; expected one \.tflite, \.keras or \.weights\.h5 file, or"),
        (
            {"a__weights__h5": b"", "labels__txt": b"a\nb"},
            r"holds weights alone; expected `architecture` in model\.yaml",
        ),
        ({"model__yaml": b"architecture: MobileNetV2"}, r"expected that of a \.weights\.h5 file"),
        ({"model__yaml": b"architecture: {alpha: 1}"}, "name is missing; expected a text"),
        ({"a__tflite": b"x"}, r"has no labels\.txt; expected one label a line"),
        ({"a__tflite": b"x", "labels__txt": b"a\n\nb"}, r"line 2 of labels\.txt is empty"),
        ({"a__tflite": b"x", "labels__txt": b""}, r"line 1 of labels\.txt is empty"),
        ({"model__yaml": b"sha256: abc"}, f"has SHA-256 {sha256(b'x')}; model.yaml expects abc"),
        ({"model__yaml": b"nmae: pets"}, "says nmae; expected name, version"),
        ({"model__yaml": b"version: 2"}, r"version is 2 \(int\); expected a text"),
        ({"model__yaml": b"- pets"}, "is a list; expected named values"),
        ({"model__yaml": b"{"}, "is not YAML"),
    ],
)
def test_folder_that_cannot_be_used_is_refused(
    tmp_path: Path, files: dict[str, bytes], message: str
) -> None:
    if set(files) == {"model__yaml"}:
        files = {"a__tflite": b"x", "labels__txt": b"a\nb", **files}

    with pytest.raises(ModelRefused, match=message):
        source.read(folder_with(tmp_path, **files))


def saved_model_in(folder: Path) -> None:
    (folder / "variables").mkdir(parents=True)
    (folder / "saved_model.pb").write_bytes(b"graph")
    (folder / "variables" / "variables.index").write_bytes(b"index")


@pytest.mark.parametrize("place", [".", "pets"], ids=["itself", "below"])
def test_saved_model_is_read_from_the_folder_and_from_one_below(tmp_path: Path, place: str) -> None:
    folder = tmp_path / "pets"
    saved_model_in(folder / place)
    (folder / "labels.txt").write_text("a\nb")

    given = source.read(folder)

    assert given.name == "pets"
    assert not given.is_litert
    assert given.path == folder / place


def test_digest_of_a_saved_model_is_what_sha256sum_makes_of_its_files(tmp_path: Path) -> None:
    saved_model_in(tmp_path)
    (tmp_path / "labels.txt").write_text("a\nb")
    command = "find saved_model.pb variables -type f | LC_ALL=C sort | xargs sha256sum | sha256sum"
    printed = subprocess.run(
        ["bash", "-c", command], cwd=tmp_path, capture_output=True, text=True, check=True
    )

    assert source.read(tmp_path).sha256 == printed.stdout.split()[0]


def test_digest_of_a_saved_model_is_checked(tmp_path: Path) -> None:
    saved_model_in(tmp_path)
    folder_with(tmp_path, labels__txt=b"a\nb", model__yaml=b"sha256: abc")

    with pytest.raises(ModelRefused, match=r"has SHA-256 [0-9a-f]{64}; model\.yaml expects abc"):
        source.read(tmp_path)


def test_weights_are_read_with_their_architecture(tmp_path: Path) -> None:
    options = b"architecture: MobileNetV2"
    files = {"p__weights__h5": b"x", "labels__txt": b"a\nb", "model__yaml": options}

    given = source.read(folder_with(tmp_path, **files))

    assert given.name == "p"
    assert given.options["architecture"] == {"name": "MobileNetV2"}


def test_folder_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelRefused, match="is no folder"):
        source.read(tmp_path / "nowhere")
