"""How a model becomes a float32 LiteRT file; run as a process, it does so with TensorFlow."""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from models import formats, saved_model, weights, worker
from models.formats import ModelFile
from models.picture import picture
from pipeline.errors import ModelRefused

# Raise it when this file changes what a conversion gives: older results leave the cache's reach.
VERSION = 2

_OUTPUT_OF_ACTIVATION = {"softmax": "probabilities", "sigmoid": "probabilities", "linear": "logits"}
# Layers that bring 8-bit values to the model's own range, and how far in they are looked for.
_SCALING = ("Rescaling", "Normalization")
_FIRST_LAYERS = 4


@dataclass(frozen=True)
class Converted:
    """A LiteRT file, and what the model's layers tell.

    Attributes:
        output: probabilities or logits, by the last layer; None when it does not tell.
        scale: none for a model that scales pixels itself; None when that is not known.
    """

    model: bytes
    output: str | None
    scale: str | None


def convert(
    file: ModelFile, size: Mapping[str, int], architecture: Mapping[str, Any] | None = None
) -> Converted:
    """Convert a model in a process of its own.

    Args:
        size: what model.yaml says of the input; needed where the model leaves it open.
        architecture: of weights, as `weights.load` takes it.

    Raises:
        ModelRefused: TensorFlow is missing or the model cannot be converted.
    """
    with tempfile.TemporaryDirectory(prefix="convert-") as folder:
        job = {
            "path": str(file.path.resolve()),
            "kind": file.kind,
            "size": dict(size),
            "architecture": architecture,
        }
        worker.run(
            f"converting {file.path.name} to LiteRT, once",
            "models.convert",
            json.dumps(job),
            folder,
        )
        facts = json.loads(Path(folder, "facts.json").read_text())
        return Converted(Path(folder, "model.tflite").read_bytes(), **facts)


def to_litert(model: Any, size: Mapping[str, int] | None = None) -> bytes:
    """Convert a Keras model in this process, its batch fixed to one image.

    Raises:
        ModelRefused: it takes something else than a picture.
    """
    import keras
    import tensorflow as tf

    shape = model.input_shape
    if not isinstance(shape, tuple):
        raise ModelRefused(f"the model has {len(shape)} inputs ({shape}); expected 1")
    taken = picture(shape, size)
    image = keras.Input(batch_shape=(1, taken.height, taken.width, taken.channels))
    fixed = keras.Model(image, model(image, training=False))
    return bytes(tf.lite.TFLiteConverter.from_keras_model(fixed).convert())


def _output(model: Any) -> str | None:
    """Tell probabilities from logits by the last layer."""
    layer = model.layers[-1]
    activation = getattr(layer, "activation", None)
    name = getattr(activation, "__name__", type(layer).__name__.lower())
    return _OUTPUT_OF_ACTIVATION.get(name)


def _scale(model: Any) -> str | None:
    first = [type(layer).__name__ for layer in model.layers[:_FIRST_LAYERS]]
    return "none" if any(name in first for name in _SCALING) else None


def _convert(job: Mapping[str, Any]) -> Converted:
    path, size = Path(job["path"]), job["size"]
    if job["kind"] == formats.SAVED_MODEL:
        return Converted(saved_model.to_litert(path, size), output=None, scale=None)
    if job["kind"] == formats.WEIGHTS:
        model = weights.load(path, job["architecture"], size)
    else:
        import keras

        model = keras.models.load_model(path, compile=False)
    return Converted(to_litert(model, size), _output(model), _scale(model))


def main() -> None:
    """Convert what the first argument describes into the folder of the second."""
    job, folder = json.loads(sys.argv[1]), Path(sys.argv[2])
    try:
        converted = _convert(job)
    except ModelRefused as error:
        raise SystemExit(str(error)) from error
    (folder / "model.tflite").write_bytes(converted.model)
    facts = {"output": converted.output, "scale": converted.scale}
    (folder / "facts.json").write_text(json.dumps(facts))


if __name__ == "__main__":
    main()
