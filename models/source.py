"""A model folder: one model file, its labels, and what model.yaml adds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from models import formats
from models.formats import ModelFile
from pipeline.errors import ModelRefused
from pipeline.models.labels import parse_labels
from pipeline.models.manifest import LABELS_FILE, field_of

_OPTIONS_FILE = "model.yaml"

# What model.yaml may say; `description` and `accuracy` are for people.
_OPTIONS: Mapping[str, type] = {
    "name": str,
    "version": str,
    "demonstration": bool,
    "description": str,
    "accuracy": float,
    "sha256": str,
    "architecture": dict,
    "input": dict,
    "preprocessing": dict,
    "output": str,
}


@dataclass(frozen=True)
class Source:
    """What a model folder holds, read and checked as far as its files tell by themselves."""

    folder: Path
    file: ModelFile
    sha256: str
    labels_data: bytes
    labels: tuple[str, ...]
    options: Mapping[str, Any]
    options_data: bytes

    @property
    def path(self) -> Path:
        """Where the model is."""
        return self.file.path

    @property
    def is_litert(self) -> bool:
        """Tell whether the model file is served as it is."""
        return self.file.kind == formats.LITERT

    @property
    def name(self) -> str:
        """Name the model: as model.yaml says, else after its file."""
        return str(self.options.get("name") or self.file.name)


def read(folder: Path) -> Source:
    """Read a model folder.

    Raises:
        ModelRefused: it cannot be used; the text says what was found and what is expected.
    """
    if not folder.is_dir():
        raise ModelRefused(f"{folder} is no folder; expected one with a model and {LABELS_FILE}")
    file = formats.find(folder)
    labels_data = _labels(folder)
    options_data, options = _options(folder)
    _check_architecture(file, options)
    digest = file.digest()
    expected = options.get("sha256", digest)
    if digest != expected:
        raise ModelRefused(f"{file.path} has SHA-256 {digest}; {_OPTIONS_FILE} expects {expected}")
    labels = parse_labels(labels_data)
    return Source(folder, file, digest, labels_data, labels, options, options_data)


def _check_architecture(file: ModelFile, options: Mapping[str, Any]) -> None:
    if file.kind == formats.WEIGHTS and "architecture" not in options:
        raise ModelRefused(
            f"{file.path} holds weights alone; expected `architecture` in {_OPTIONS_FILE},"
            " a class of keras.applications such as MobileNetV2"
        )
    if file.kind != formats.WEIGHTS and "architecture" in options:
        raise ModelRefused(
            f"{_OPTIONS_FILE} names an architecture; expected that of a {formats.WEIGHTS} file"
            f" only: {file.path} holds its own"
        )


def _labels(folder: Path) -> bytes:
    try:
        return (folder / LABELS_FILE).read_bytes()
    except FileNotFoundError as error:
        raise ModelRefused(
            f"{folder} has no {LABELS_FILE}; expected one label a line, in the model's order"
        ) from error


def _options(folder: Path) -> tuple[bytes, Mapping[str, Any]]:
    path = folder / _OPTIONS_FILE
    if not path.exists():
        return b"", {}
    data = path.read_bytes()
    try:
        options = yaml.safe_load(data) or {}
    except yaml.YAMLError as error:
        raise ModelRefused(f"{path} is not YAML: {error}") from error
    if not isinstance(options, dict):
        raise ModelRefused(f"{path} is a {type(options).__name__}; expected named values")
    unknown = sorted(map(str, options.keys() - _OPTIONS.keys()))
    if unknown:
        raise ModelRefused(f"{path} says {', '.join(unknown)}; expected {', '.join(_OPTIONS)}")
    if isinstance(options.get("architecture"), str):
        options["architecture"] = {"name": options["architecture"]}
    return data, {key: _option(path, options, key) for key in options}


def _option(path: Path, options: Mapping[str, Any], key: str) -> Any:
    try:
        if key == "architecture":
            field_of(options[key], "name", str)
        return field_of(options, key, _OPTIONS[key])
    except ModelRefused as error:
        raise ModelRefused(f"{path}: {error}") from error
