"""How the demonstration model is trained: `python -m models.train` rewrites models/demonstration.

About three CPU minutes; the same versions of Keras, TensorFlow and NumPy on the same kind of
processor give the same model.
"""

from __future__ import annotations

import argparse
import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray
from PIL import Image, ImageOps

from models import convert, shapes, worker

FOLDER = Path(__file__).resolve().parent / "demonstration"

_SIDE = 64  # pixels
_CROP = 0.875
_SEED = 20_240_607
_EPOCHS = 8
_BATCH = 64
_LEARNING_RATE = 4e-3
# Landscape, portrait and square pictures, a third each.
_SIZES = ((128, 96), (96, 128), (96, 96))
_TRAINING, _HELD_OUT = 4_000, 700  # pictures of each size
_EXAMPLE, _EXAMPLE_SEED = ("star", 320, 240), 30


def main() -> None:
    """Train, measure on held-out pictures and write the model folder."""
    parser = argparse.ArgumentParser(description="Train the demonstration model.")
    parser.add_argument("--folder", type=Path, default=FOLDER)
    folder: Path = parser.parse_args().folder
    model, accuracy = train()
    folder.mkdir(parents=True, exist_ok=True)
    litert = convert.to_litert(model)
    (folder / "model.tflite").write_bytes(litert)
    (folder / "labels.txt").write_text("\n".join(shapes.LABELS) + "\n", encoding="utf-8")
    (folder / "model.yaml").write_text(_description(litert, model.count_params(), accuracy))
    example().save(folder / "example.png", optimize=True)


def train() -> tuple[Any, float]:
    """Train a separable CNN; returns it and its accuracy on pictures it has not seen."""
    import keras
    import tensorflow as tf

    keras.utils.set_random_seed(_SEED)
    tf.config.experimental.enable_op_determinism()
    worker.say("drawing pictures …")
    images, classes = _dataset(_SEED, _TRAINING)
    model = _network(keras)
    steps = _EPOCHS * -(-len(images) // _BATCH)
    model.compile(
        optimizer=keras.optimizers.Adam(
            keras.optimizers.schedules.CosineDecay(_LEARNING_RATE, steps)
        ),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    for epoch in range(_EPOCHS):
        model.fit(_turned(images, epoch), classes, batch_size=_BATCH, verbose=2)
    accuracy = model.evaluate(*_dataset(_SEED + 1_000, _HELD_OUT), verbose=0)[1]
    worker.say(f"{accuracy:.4f} right on held-out pictures, {model.count_params():,} parameters")
    return model, float(accuracy)


def example() -> Image.Image:
    """Draw the picture that `make up` classifies; without noise, which no PNG makes small."""
    label, width, height = _EXAMPLE
    return shapes.draw(np.random.default_rng(_EXAMPLE_SEED), label, width, height, max_noise=0)


def _network(keras: Any) -> Any:
    layers = keras.layers
    model = keras.Sequential([keras.Input((_SIDE, _SIDE, 3))])
    model.add(layers.Conv2D(16, 3, strides=2, padding="same", use_bias=False))
    for filters, strides in ((32, 1), (64, 2), (96, 1), (128, 2), (128, 1)):
        model.add(layers.BatchNormalization())
        model.add(layers.ReLU())
        model.add(
            layers.SeparableConv2D(filters, 3, strides=strides, padding="same", use_bias=False)
        )
    model.add(layers.BatchNormalization())
    model.add(layers.ReLU())
    model.add(layers.GlobalAveragePooling2D())
    model.add(layers.Dense(len(shapes.LABELS), activation="softmax"))
    return model


def _dataset(seed: int, count: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Draw pictures as the classifier would see them: float32 (n, side, side, 3) in [-1, 1]."""
    images, classes = [], []
    for offset, (width, height) in enumerate(_SIZES):
        for picture, index in shapes.pictures(seed + offset, count, width, height):
            images.append(_seen(picture))
            classes.append(index)
    return np.stack(images).astype(np.float32) / 127.5 - 1, np.array(classes)


def _turned(images: NDArray[np.float32], epoch: int) -> NDArray[np.float32]:
    """Show the pictures of each epoch in another of their eight turns and mirrorings."""
    turned = np.rot90(images, epoch, axes=(1, 2))
    return turned if epoch // 4 % 2 == 0 else turned[:, :, ::-1]


def _seen(picture: Image.Image) -> NDArray[np.uint8]:
    bleed = (1 - _CROP) / 2
    fitted = ImageOps.fit(picture, (_SIDE, _SIDE), Image.Resampling.BILINEAR, bleed=bleed)
    return np.asarray(fitted)


def _description(litert: bytes, parameters: int, accuracy: float) -> str:
    """Compose model.yaml."""
    return yaml.safe_dump(
        {
            "name": "demonstration",
            "version": "1",
            "demonstration": True,
            "description": f"Separable CNN of {parameters:,} parameters for ten drawn shapes,"
            " made by `python -m models.train`.",
            "accuracy": round(accuracy, 4),
            "sha256": hashlib.sha256(litert).hexdigest(),
            "input": {"height": _SIDE, "width": _SIDE, "channels": 3},
            "preprocessing": {"scale": "minus-one-to-one", "crop": _CROP},
            "output": "probabilities",
        },
        sort_keys=False,
        width=100,
    )


if __name__ == "__main__":
    main()
