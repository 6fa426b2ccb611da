"""A model folder: one model file, its labels, and what model.yaml adds."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from pipeline.labels import parse_labels
from pipeline.manifest import LABELS_FILE, ModelRefused, field_of, sha256

_OPTIONS_FILE = "model.yaml"
_FORMATS = (".tflite", ".keras")

# What model.yaml may say; `description` and `accuracy` are for people.
_OPTIONS: Mapping[str, type] = {
    "name": str,
    "version": str,
    "demonstration": bool,
    "description": str,
    "accuracy": float,
    "sha256": str,
    "input": dict,
    "preprocessing": dict,
    "output": str,
}


@dataclass(frozen=True)
class Source:
    """What a model folder holds, read and checked as far as its files tell by themselves."""

    path: Path
    sha256: str
    labels_data: bytes
    labels: tuple[str, ...]
    options: Mapping[str, Any]
    options_data: bytes

    @property
    def is_litert(self) -> bool:
        """Tell whether the model file is served as it is."""
        return self.path.suffix == ".tflite"

    @property
    def name(self) -> str:
        """Name the model: as model.yaml says, else after its file."""
        return str(self.options.get("name") or re.sub(r"[^A-Za-z0-9_-]+", "-", self.path.stem))


def read(folder: Path) -> Source:
    """Read a model folder.

    Raises:
        ModelRefused: it cannot be used; the text says what was found and what is expected.
    """
    if not folder.is_dir():
        raise ModelRefused(f"{folder} is no folder; expected one with a model and {LABELS_FILE}")
    path = _model_file(folder)
    labels_data = _labels(folder)
    options_data, options = _options(folder)
    digest = sha256(path.read_bytes())
    expected = options.get("sha256", digest)
    if digest != expected:
        raise ModelRefused(f"{path} has SHA-256 {digest}; {_OPTIONS_FILE} expects {expected}")
    return Source(path, digest, labels_data, parse_labels(labels_data), options, options_data)


def _model_file(folder: Path) -> Path:
    found = sorted(path for path in folder.iterdir() if _is_model(path))
    names = ", ".join(path.name for path in found) or "none"
    if len(found) != 1:
        raise ModelRefused(
            f"{folder} holds {len(found)} models ({names}); expected one .tflite or .keras file"
        )
    if found[0].suffix not in _FORMATS:
        raise ModelRefused(f"{folder} holds {names}; expected a .tflite or .keras file")
    return found[0]


def _is_model(path: Path) -> bool:
    if path.is_dir():
        return (path / "saved_model.pb").is_file()
    return path.suffix in (*_FORMATS, ".h5") or path.name == "saved_model.pb"


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
    return data, {key: _option(path, options, key) for key in options}


def _option(path: Path, options: Mapping[str, Any], key: str) -> Any:
    try:
        return field_of(options, key, _OPTIONS[key])
    except ModelRefused as error:
        raise ModelRefused(f"{path}: {error}") from error
