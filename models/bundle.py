"""How a model folder becomes a bundle, and how bundles are kept in the cache."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from models import convert, source, worker
from models.convert import Converted
from pipeline.errors import ModelRefused
from pipeline.models import manifest
from pipeline.models.manifest import LABELS_FILE, MANIFEST_FILE, MODEL_FILE, Manifest

# Raise it when this file changes what a bundle holds: older ones leave the cache's reach.
_VERSION = 2
_PREPROCESSING: Mapping[str, Any] = {
    "scale": "minus-one-to-one",
    "crop": 0.875,
    "resample": "bilinear",
    "minShortSide": 1,  # stands for: by the model's size
}
# Decoding keeps twice the pixels that the resize needs: less changes predictions.
_DECODED_PER_RESIZED = 2


@dataclass(frozen=True)
class Bundle:
    """A model as it is published."""

    manifest: Manifest
    model: bytes
    labels: bytes

    @property
    def files(self) -> Mapping[str, bytes]:
        """Give the files by name, the manifest last: a bundle that has it is whole."""
        return {
            MODEL_FILE: self.model,
            LABELS_FILE: self.labels,
            MANIFEST_FILE: self.manifest.to_json(),
        }


def prepare(folder: Path, cache_dir: Path) -> Bundle:
    """Make a bundle of a model folder, or take it from the cache.

    Raises:
        ModelRefused: the folder cannot be used; says what was found and what is expected.
    """
    given = source.read(folder)
    kept = cache_dir / "models" / _cache_key(given)
    bundle = _read(kept)
    if bundle is None:
        bundle = build(given)
        _write(bundle, kept)
    return bundle


def build(given: source.Source) -> Bundle:
    """Convert where needed, and check that labels, model and options fit each other.

    Raises:
        ModelRefused: they do not.
    """
    # Imported late: a bundle from the cache needs no interpreter.
    from models import litert

    converted = _litert_file(given)
    facts = litert.inspect(converted.model)
    if facts.classes != len(given.labels):
        raise ModelRefused(
            f"{given.folder / LABELS_FILE} has {len(given.labels)} labels;"
            f" expected {facts.classes}, the outputs of {given.path.name}"
        )
    _check_input(given, facts.input)
    output = given.options.get("output") or converted.output or facts.output
    if output is None:
        raise ModelRefused(
            f"{given.path} gives neither probabilities that sum to 1 nor values beyond them;"
            f" expected `output: {' or '.join(manifest.OUTPUTS)}` in model.yaml"
        )
    described = Manifest(
        name=given.name,
        version=given.options.get("version", "1"),
        demonstration=given.options.get("demonstration", False),
        input=facts.input,
        preprocessing=_preprocessing(given, facts.input, converted.scale or facts.scale),
        output=output,
        digests={
            MODEL_FILE: manifest.sha256(converted.model),
            LABELS_FILE: manifest.sha256(given.labels_data),
        },
        source=manifest.Source(given.path.name, given.sha256),
    )
    return Bundle(described, converted.model, given.labels_data)


def _litert_file(given: source.Source) -> Converted:
    if given.is_litert:
        return Converted(given.path.read_bytes(), output=None, scale=None)
    size = given.options.get("input", {})
    for side in size:
        manifest.field_of(size, side, int)
    return convert.convert(given.file, size, given.options.get("architecture"))


def _check_input(given: source.Source, found: manifest.Input) -> None:
    for side, expected in given.options.get("input", {}).items():
        if expected != getattr(found, str(side), None):
            raise ModelRefused(f"{given.path} takes {found}; model.yaml says {side}: {expected!r}")


def _preprocessing(
    given: source.Source, size: manifest.Input, scale: str | None
) -> manifest.Preprocessing:
    """Take what model.yaml says, else what the model tells, else the usual."""
    options = given.options.get("preprocessing", {})
    unknown = sorted(map(str, options.keys() - _PREPROCESSING.keys()))
    if unknown:
        raise ModelRefused(
            f"model.yaml's preprocessing says {', '.join(unknown)};"
            f" expected {', '.join(_PREPROCESSING)}"
        )
    told = {"scale": scale} if scale else {}
    steps = manifest.Preprocessing.from_dict({**_PREPROCESSING, **told, **options})
    if "minShortSide" in options:
        return steps
    resized = max(size.height, size.width) / steps.crop
    return replace(steps, min_short_side=round(_DECODED_PER_RESIZED * resized))


def _cache_key(given: source.Source) -> str:
    """Digest everything that decides what the bundle holds."""
    made_with = {} if given.is_litert else {"convert": convert.VERSION, **worker.versions()}
    parts = {
        "version": _VERSION,
        "file": given.path.name,
        "model": given.sha256,
        "labels": manifest.sha256(given.labels_data),
        "options": manifest.sha256(given.options_data),
        "madeWith": made_with,
    }
    return manifest.sha256(json.dumps(parts, sort_keys=True).encode())


def _read(folder: Path) -> Bundle | None:
    """Read a kept bundle; None when there is none, or a damaged one, which is then made anew."""
    try:
        described = Manifest.from_json((folder / MANIFEST_FILE).read_bytes())
        model, labels = (folder / MODEL_FILE).read_bytes(), (folder / LABELS_FILE).read_bytes()
        described.verify(MODEL_FILE, model)
        described.verify(LABELS_FILE, labels)
    except FileNotFoundError:
        return None
    except ModelRefused as error:
        worker.say(f"making the bundle anew: {error}")
        return None
    return Bundle(described, model, labels)


def _write(bundle: Bundle, folder: Path) -> None:
    """Keep a bundle; another process may do the same at the same time, with the same bytes."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in bundle.files.items():
        fresh = folder / f".{name}.{os.getpid()}"
        fresh.write_bytes(data)
        fresh.replace(folder / name)
