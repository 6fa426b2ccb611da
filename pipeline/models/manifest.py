"""The model bundle: its files, what its manifest says, how it is named and checked."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

from pipeline.errors import ModelRefused

MODEL_FILE = "model.tflite"
LABELS_FILE = "labels.txt"
MANIFEST_FILE = "model.json"
BUNDLE_FILES = (MODEL_FILE, LABELS_FILE, MANIFEST_FILE)

# The object in the bucket of models that holds the modelId published last.
CURRENT_KEY = "current"

SCALES = ("minus-one-to-one", "zero-to-one", "none")
RESAMPLES = ("bilinear", "bicubic")
OUTPUTS = ("probabilities", "logits")
CHANNELS = (1, 3)  # grey, RGB

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_SHORT_DIGEST_CHARACTERS = 12
_MIN_CROP = 0.1
_KIND_NAMES = {
    bool: "true or false",
    dict: "an object",
    float: "a number",
    int: "a whole number",
    str: "a text",
}


@dataclass(frozen=True)
class Input:
    """The picture a model takes, in pixels."""

    height: int
    width: int
    channels: int

    def __post_init__(self) -> None:
        """Refuse what is no picture."""
        if min(self.height, self.width) < 1:
            raise ModelRefused(f"input is {self.height} × {self.width} pixels; expected 1 × 1 up")
        _one_of("input channels", self.channels, CHANNELS)


@dataclass(frozen=True)
class Preprocessing:
    """How an image becomes that picture, and the picture numbers.

    Attributes:
        scale: the range 8-bit values are brought to; none keeps 0 to 255.
        crop: the central part of the short side that the model sees.
        min_short_side: pixels left of a JPEG's short side when it is decoded at a reduced size.
    """

    scale: str
    crop: float
    min_short_side: int
    resample: str = "bilinear"

    def __post_init__(self) -> None:
        """Refuse what the preprocessing does not know."""
        _one_of("preprocessing scale", self.scale, SCALES)
        _one_of("preprocessing resample", self.resample, RESAMPLES)
        if not _MIN_CROP <= self.crop <= 1:
            raise ModelRefused(f"preprocessing crop is {self.crop}; expected {_MIN_CROP} to 1")
        if self.min_short_side < 1:
            raise ModelRefused(f"minShortSide is {self.min_short_side}; expected at least 1")

    @classmethod
    def from_dict(cls, data: Any) -> Preprocessing:
        """Read the fields as manifests and model.yaml write them.

        Raises:
            ModelRefused: a field is missing or wrong.
        """
        return cls(
            scale=field_of(data, "scale", str),
            crop=field_of(data, "crop", float),
            min_short_side=field_of(data, "minShortSide", int),
            resample=field_of(data, "resample", str),
        )


@dataclass(frozen=True)
class Source:
    """The file a model was made from."""

    file: str
    sha256: str


@dataclass(frozen=True)
class Manifest:
    """What `model.json` says of a model; `demonstration` is true of the bundled one only."""

    name: str
    version: str
    demonstration: bool
    input: Input
    preprocessing: Preprocessing
    output: str
    digests: Mapping[str, str]
    source: Source

    def __post_init__(self) -> None:
        """Refuse what cannot be named or checked."""
        if not _NAME.fullmatch(self.name):
            raise ModelRefused(
                f"model name is {self.name!r}; expected up to 64 letters, digits, - and _"
            )
        _one_of("output", self.output, OUTPUTS)
        if set(self.digests) != {MODEL_FILE, LABELS_FILE}:
            raise ModelRefused(
                f"digests are of {', '.join(sorted(self.digests)) or 'nothing'};"
                f" expected of {MODEL_FILE} and {LABELS_FILE}"
            )
        for file, digest in {**self.digests, self.source.file: self.source.sha256}.items():
            if not _SHA256.fullmatch(digest):
                raise ModelRefused(f"digest of {file} is {digest!r}; expected 64 hex digits")

    @cached_property
    def model_id(self) -> str:
        """Name the model by everything that decides what it answers."""
        identity = {key: self.as_dict()[key] for key in ("input", "preprocessing", "output")}
        short = _digest_of({"digests": dict(self.digests), **identity})[:_SHORT_DIGEST_CHARACTERS]
        return f"{self.name}-{short}"

    @cached_property
    def preprocessing_name(self) -> str:
        """Name, fit for a file, everything that changes the picture the model sees."""
        parts = [
            f"{self.input.height}x{self.input.width}",
            f"crop{self.preprocessing.crop}".replace(".", ""),
            f"short{self.preprocessing.min_short_side}",
        ]
        if self.input.channels == 1:
            parts.append("grey")
        if self.preprocessing.resample != "bilinear":
            parts.append(self.preprocessing.resample)
        return "-".join(parts)

    @cached_property
    def preprocessing_digest(self) -> str:
        """SHA-256 over input and preprocessing: the array of an image depends on nothing else."""
        return _digest_of({key: self.as_dict()[key] for key in ("input", "preprocessing")})

    def key(self, file: str) -> str:
        """Name one of the bundle's files in the bucket of models."""
        return f"{self.model_id}/{file}"

    def verify(self, file: str, data: bytes) -> None:
        """Check one of the digested files.

        Raises:
            ModelRefused: these are not the bytes that the manifest was made for.
        """
        found, expected = sha256(data), self.digests[file]
        if found != expected:
            raise ModelRefused(
                f"{self.key(file)} ({len(data):,} bytes) has SHA-256 {found};"
                f" its manifest expects {expected}"
            )

    def as_dict(self) -> dict[str, Any]:
        """Give the fields as they are written, without the modelId."""
        written = {**asdict(self), "digests": dict(self.digests)}
        preprocessing = written["preprocessing"]
        preprocessing["minShortSide"] = preprocessing.pop("min_short_side")
        return written

    def to_json(self) -> bytes:
        """Write `model.json`; equal manifests give equal bytes."""
        text = json.dumps({"modelId": self.model_id, **self.as_dict()}, indent=2)
        return text.encode() + b"\n"

    @classmethod
    def from_json(cls, text: str | bytes) -> Manifest:
        """Read `model.json`.

        Raises:
            ModelRefused: a field is missing or wrong, or the modelId does not fit the rest.
        """
        try:
            data = json.loads(text)
        except ValueError as error:
            raise ModelRefused(f"{MANIFEST_FILE} is not JSON: {error}") from error
        manifest = cls._from_dict(data)
        stated = field_of(data, "modelId", str)
        if stated != manifest.model_id:
            raise ModelRefused(
                f"{MANIFEST_FILE} says modelId {stated}; its fields make {manifest.model_id}"
            )
        return manifest

    @classmethod
    def _from_dict(cls, data: Any) -> Manifest:
        size = field_of(data, "input", dict)
        digests, source = field_of(data, "digests", dict), field_of(data, "source", dict)
        return cls(
            name=field_of(data, "name", str),
            version=field_of(data, "version", str),
            demonstration=field_of(data, "demonstration", bool),
            input=Input(*(field_of(size, key, int) for key in ("height", "width", "channels"))),
            preprocessing=Preprocessing.from_dict(field_of(data, "preprocessing", dict)),
            output=field_of(data, "output", str),
            digests={file: field_of(digests, file, str) for file in digests},
            source=Source(field_of(source, "file", str), field_of(source, "sha256", str)),
        )


def sha256(data: bytes) -> str:
    """Digest bytes as manifests write it: lower-case hex."""
    return hashlib.sha256(data).hexdigest()


def field_of(data: Any, key: str, kind: type) -> Any:
    """Take a field of a JSON or YAML object, checking its type; a whole number is a float too.

    Raises:
        ModelRefused: it is missing or of another type.
    """
    value = data.get(key) if isinstance(data, dict) else None
    if kind is float and type(value) is int:
        value = float(value)
    if type(value) is not kind:
        found = "missing" if value is None else f"{value!r} ({type(value).__name__})"
        raise ModelRefused(f"{key} is {found}; expected {_KIND_NAMES[kind]}")
    return value


def _one_of(what: str, found: object, allowed: tuple[object, ...]) -> None:
    if found not in allowed:
        raise ModelRefused(f"{what} is {found!r}; expected {' or '.join(map(str, allowed))}")


def _digest_of(fields: Mapping[str, Any]) -> str:
    return sha256(json.dumps(fields, sort_keys=True, separators=(",", ":")).encode())
