"""Makes small models of every kind, and what Keras says of seeded arrays.

Run as a process, with the folder to fill: TensorFlow stays out of the tests' own.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

LABELS = ("ant", "bee", "cat", "dog", "emu", "fox", "gnu")
_ARRAYS = 4
_CALIBRATION = 32
_SPREAD = 2.0


def noise(count: int, height: int, width: int, channels: int) -> NDArray[np.float32]:
    """Make pictures of random blocks: float32 (count, height, width, channels) in [-1, 1]."""
    blocks = np.random.default_rng(7).uniform(-1, 1, (count, 4, 4, channels))
    rows, columns = np.arange(height) * 4 // height, np.arange(width) * 4 // width
    return np.asarray(blocks[:, rows][:, :, columns], np.float32)


def lively(model: Any, height: int, width: int) -> Any:
    """Give random weights what training would: statistics, and scores that differ."""
    arrays = noise(_CALIBRATION, height, width, model.input_shape[-1])
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = 0.0
    model(arrays, training=True)
    features = keras.Model(model.inputs, model.layers[-1].input).predict(arrays, verbose=0)
    kernel, _ = model.layers[-1].get_weights()
    logits = features @ kernel
    scale = _SPREAD / (logits - logits.mean(axis=0)).std()
    model.layers[-1].set_weights([kernel * scale, -logits.mean(axis=0) * scale])
    return model


def mobilenet(classes: int, height: int, width: int, channels: int = 3) -> Any:
    """Build a small MobileNetV2 with seeded weights."""
    shape = (height, width, channels)
    model = keras.applications.MobileNetV2(shape, alpha=0.35, weights=None, classes=classes)
    return lively(model, height, width)


def small(
    height: int | None, width: int | None, channels: int, classes: int, activation: str
) -> Any:
    """Build a tiny CNN; one with open sides averages over the picture."""
    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input((height, width, channels)),
            layers.Conv2D(8, 5, strides=2, activation="relu"),
            layers.Flatten() if height else layers.GlobalAveragePooling2D(),
            layers.Dense(classes, activation=activation),
        ]
    )
    return lively(model, height or 64, width or 64)


def describe(
    folder: Path,
    model: Any,
    options: str = "",
    size: tuple[int, ...] = (),
    to_range: tuple[float, float] = (-1, 1),
) -> None:
    """Add labels, model.yaml, and beside the folder Keras' own file and scores."""
    (folder / "labels.txt").write_text("\n".join(LABELS[: model.output_shape[-1]]))
    if options:
        (folder / "model.yaml").write_text(options)
    arrays = noise(_ARRAYS, *(size or model.input_shape[1:]))
    arrays = np.interp(arrays, (-1, 1), to_range).astype(np.float32)
    scores = model.predict(arrays, verbose=0)
    model.save(folder.parent / f"{folder.name}.keras")
    np.savez(folder.parent / f"{folder.name}.npz", arrays=arrays, scores=scores)


def main(target: Path) -> None:
    """Make one folder a kind."""
    keras.utils.set_random_seed(5)
    names = ("saved", "below", "weights", "weights-grey", "grey", "logits", "scaling", "first")
    folders = {name: target / name for name in names}
    for folder in folders.values():
        folder.mkdir()

    model = mobilenet(7, 96, 96)
    model.export(folders["saved"], verbose=False)
    describe(folders["saved"], model)

    model = small(None, None, 3, 5, "softmax")
    tf.saved_model.save(model, folders["below"] / "pets")
    describe(folders["below"], model, "input: {height: 80, width: 96}", (80, 96, 3))

    model = mobilenet(7, 96, 96)
    model.save_weights(folders["weights"] / "pets.weights.h5")
    options = "architecture: {name: MobileNetV2, alpha: 0.35}\ninput: {height: 96, width: 96}"
    describe(folders["weights"], model, options)

    model = mobilenet(3, 64, 48, channels=1)
    model.save_weights(folders["weights-grey"] / "pets.weights.h5")
    options = "architecture: {name: MobileNetV2, alpha: 0.35}\ninput: {height: 64, width: 48}"
    describe(folders["weights-grey"], model, options)

    model = small(28, 36, 1, 3, "softmax")
    model.save(folders["grey"] / "digits.keras")
    describe(folders["grey"], model)

    model = small(32, 32, 3, 4, "linear")
    model.export(folders["logits"], verbose=False)
    describe(folders["logits"], model)

    scaling = keras.layers.Rescaling(1 / 127.5, offset=-1)
    layers = small(32, 32, 3, 4, "softmax").layers
    model = keras.Sequential([keras.Input((32, 32, 3)), scaling, *layers])
    model.save(folders["scaling"] / "rescaled.keras")
    describe(folders["scaling"], model, to_range=(0, 255))

    swapped = keras.Input((3, 32, 32))
    last = keras.layers.Permute((2, 3, 1))(swapped)
    model = keras.Model(swapped, small(32, 32, 3, 4, "softmax")(last))
    model.export(folders["first"], verbose=False)
    (folders["first"] / "labels.txt").write_text("a\nb\nc\nd")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
