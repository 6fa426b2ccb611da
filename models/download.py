"""The ImageNet MobileNetV2 that Keras offers: how it is fetched into the cache.

Keras fetches its weights without checking a digest, so the first download is trusted: its digest is
written into model.yaml beside it, and from then on checked whenever the folder is read.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import yaml

from models import source, worker
from pipeline.errors import ModelRefused
from pipeline.models.manifest import LABELS_FILE, sha256

_MODEL_FILE = "mobilenet_v2.keras"
_WEIGHTS_HOST = "storage.googleapis.com"
_CLASSES = 1000


def folder(cache_dir: Path) -> Path:
    """Tell where the downloaded model is kept."""
    return cache_dir / "models" / "imagenet-mobilenet-v2"


def download(cache_dir: Path) -> Path:
    """Fetch MobileNetV2 unless it is there already; returns its model folder.

    Raises:
        ModelRefused: it could not be fetched, or is not what was fetched first.
    """
    target = folder(cache_dir)
    if target.exists():
        digest = source.read(target).sha256
        worker.say(f"{target} is there already, SHA-256 {digest} as recorded")
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".download-", dir=target.parent) as temporary:
        fresh = Path(temporary, "model")
        fresh.mkdir()
        _fetch(fresh, Path(temporary, "keras"))
        fresh.rename(target)
    worker.say(f"downloaded to {target}, SHA-256 {source.read(target).sha256} recorded")
    return target


def _fetch(target: Path, keras_home: Path) -> None:
    try:
        worker.run(
            "downloading MobileNetV2 through Keras (14 MB)",
            "models.download",
            str(target),
            KERAS_HOME=str(keras_home),
        )
    except ModelRefused as error:
        raise ModelRefused(
            f"{error}\nThe download needs {_WEIGHTS_HOST} to be reachable over HTTPS."
            " Without it, bring a model of your own: MODEL_DIR=folder with a .keras or .tflite"
            f" file and {LABELS_FILE}; with neither, the demonstration model is used."
        ) from error


def main() -> None:
    """Let Keras fetch weights and class names, and write them as a model folder."""
    import keras
    import numpy as np
    from keras.applications import imagenet_utils

    target = Path(sys.argv[1])
    model = keras.applications.MobileNetV2(weights="imagenet")
    model.save(target / _MODEL_FILE)
    falling_scores = np.arange(_CLASSES, 0, -1)[np.newaxis]
    classes = imagenet_utils.decode_predictions(falling_scores, top=_CLASSES)[0]
    labels = [name.replace("_", " ") for _, name, _ in classes]
    (target / LABELS_FILE).write_text("\n".join(labels) + "\n", encoding="utf-8")
    recorded = {"name": "mobilenet_v2", "sha256": sha256((target / _MODEL_FILE).read_bytes())}
    (target / "model.yaml").write_text(yaml.safe_dump(recorded, sort_keys=False))


if __name__ == "__main__":
    main()
