"""How a Keras file becomes a float32 LiteRT file; run as a process, it does so with TensorFlow."""

from __future__ import annotations

import argparse
import json
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from models import worker

# Raise it when this file changes what a conversion gives: older results leave the cache's reach.
VERSION = 1

_OUTPUT_OF_ACTIVATION = {"softmax": "probabilities", "sigmoid": "probabilities", "linear": "logits"}


@dataclass(frozen=True)
class Converted:
    """A LiteRT file and what its last layer gives; None when the layer does not tell."""

    model: bytes
    output: str | None


def convert(source: Path, height: int | None = None, width: int | None = None) -> Converted:
    """Convert a `.keras` file; height and width are needed where the file leaves them open.

    Raises:
        ModelRefused: TensorFlow is missing or could not convert the file.
    """
    with tempfile.TemporaryDirectory(prefix="convert-") as folder:
        target, facts = Path(folder, "model.tflite"), Path(folder, "facts.json")
        size = [f"--height={height}"] if height else []
        size += [f"--width={width}"] if width else []
        worker.run(
            f"converting {source.name} to LiteRT, once",
            "models.convert",
            *size,
            str(source.resolve()),
            str(target),
            str(facts),
        )
        return Converted(target.read_bytes(), json.loads(facts.read_text())["output"])


def to_litert(model: Any, height: int | None = None, width: int | None = None) -> bytes:
    """Convert a Keras model in this process, its batch fixed to one image."""
    import keras
    import tensorflow as tf

    shape = model.input_shape
    if not isinstance(shape, tuple) or len(shape) != 4:
        raise SystemExit(f"the model's input is {shape}; expected (batch, height, width, channels)")
    size = (height or shape[1], width or shape[2])
    if None in size or shape[3] is None:
        raise SystemExit(f"the model's input is {shape}; give its size as `input` in model.yaml")
    image = keras.Input(batch_shape=(1, *size, shape[3]))
    fixed = keras.Model(image, model(image, training=False))
    return bytes(tf.lite.TFLiteConverter.from_keras_model(fixed).convert())


def _output(model: Any) -> str | None:
    """Tell probabilities from logits by the last layer."""
    layer = model.layers[-1]
    activation = getattr(layer, "activation", None)
    name = getattr(activation, "__name__", type(layer).__name__.lower())
    return _OUTPUT_OF_ACTIVATION.get(name)


def main() -> None:
    """Convert the named file."""
    import keras

    parser = argparse.ArgumentParser()
    parser.add_argument("source", type=Path)
    parser.add_argument("target", type=Path)
    parser.add_argument("facts", type=Path)
    parser.add_argument("--height", type=int)
    parser.add_argument("--width", type=int)
    given = parser.parse_args()
    model = keras.models.load_model(given.source, compile=False)
    given.target.write_bytes(to_litert(model, given.height, given.width))
    given.facts.write_text(json.dumps({"output": _output(model)}))


if __name__ == "__main__":
    main()
