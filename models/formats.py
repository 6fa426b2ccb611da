"""Which files of a folder are a model, of which kind it is, and its digest."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import ModelRefused
from pipeline.models.manifest import sha256

LITERT, KERAS, WEIGHTS, SAVED_MODEL = ".tflite", ".keras", ".weights.h5", "saved_model.pb"
EXPECTED = f"one {LITERT}, {KERAS} or {WEIGHTS} file, or a SavedModel ({SAVED_MODEL})"

# What of a SavedModel decides its answers.
_SAVED_MODEL_PARTS = ("assets", SAVED_MODEL, "variables")


@dataclass(frozen=True)
class ModelFile:
    """A model as a user has it: a file, or the folder of a SavedModel."""

    path: Path
    kind: str

    @property
    def name(self) -> str:
        """The file's name without what says its kind, fit for a model's name."""
        name = self.path.name
        stem = name if self.kind == SAVED_MODEL else name.removesuffix(self.kind)
        return re.sub(r"[^A-Za-z0-9_-]+", "-", stem)

    def digest(self) -> str:
        """SHA-256 of the file; of a SavedModel, of what `sha256sum` prints of its sorted files."""
        if self.kind != SAVED_MODEL:
            return sha256(self.path.read_bytes())
        files = sorted(_files(self.path), key=lambda file: file.relative_to(self.path).as_posix())
        lines = (
            f"{sha256(file.read_bytes())}  {file.relative_to(self.path).as_posix()}\n"
            for file in files
        )
        return sha256("".join(lines).encode())


def find(folder: Path) -> ModelFile:
    """Find the one model of a folder: a file in it, itself, or a folder in it.

    Raises:
        ModelRefused: there is none, more than one, or one of a kind that is not read.
    """
    found = sorted(path for path in folder.iterdir() if _looks_like_a_model(path))
    names = ", ".join(path.name for path in found) or "none"
    if len(found) != 1:
        raise ModelRefused(f"{folder} holds {len(found)} models ({names}); expected {EXPECTED}")
    path = found[0]
    if path.is_dir():
        return ModelFile(path.resolve(), SAVED_MODEL)
    if path.name == SAVED_MODEL:
        return ModelFile(folder.resolve(), SAVED_MODEL)
    for kind in (LITERT, KERAS, WEIGHTS):
        if path.name.endswith(kind):
            return ModelFile(path, kind)
    raise ModelRefused(f"{folder} holds {names}; expected {EXPECTED}")


def _looks_like_a_model(path: Path) -> bool:
    """Take other HDF5 files for models too, so that they are refused by name."""
    if path.is_dir():
        return (path / SAVED_MODEL).is_file()
    return path.suffix in (LITERT, KERAS, ".h5", ".hdf5") or path.name == SAVED_MODEL


def _files(folder: Path) -> list[Path]:
    parts = (folder / part for part in _SAVED_MODEL_PARTS)
    found = [file for part in parts for file in (part, *part.rglob("*"))]
    return [file for file in found if file.is_file()]
