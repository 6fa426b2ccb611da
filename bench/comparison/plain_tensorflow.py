"""What a plain TensorFlow process is: import, load the Keras model, predict one photo.

`python -m bench.comparison.plain_tensorflow FOLDER` does it and prints the label and its
memory as JSON.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

from bench.checks import BenchFailed
from bench.load.photos import Photo
from local.services.settings import ROOT

_BLEED = (1 - 0.875) / 2


@dataclass(frozen=True)
class PlainProcess:
    """One such process: seconds from its start to its answer, and memory with the model loaded."""

    seconds: float
    megabytes: float
    label: str


def start(model_dir: Path | None) -> PlainProcess:
    """Run one to its end.

    Raises:
        BenchFailed: there is no Keras model, or the process failed.
    """
    if model_dir is None or not list(model_dir.glob("*.keras")):
        raise BenchFailed("a plain TensorFlow process needs a .keras model; give --model-dir")
    command = [sys.executable, "-m", "bench.comparison.plain_tensorflow", str(model_dir)]
    began = time.monotonic()
    with subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        answer = process.stdout.readline() if process.stdout else ""
        seconds = time.monotonic() - began
    if not answer:
        raise BenchFailed(f"plain TensorFlow ended with status {process.returncode}")
    return PlainProcess(seconds, **json.loads(answer))


def main(folder: Path) -> None:
    """Print the label of the photo, and resident memory."""
    import keras
    import numpy as np
    from PIL import Image, ImageOps

    model = keras.models.load_model(next(folder.glob("*.keras")))
    side = model.input_shape[1:3]
    with Image.open(BytesIO(Photo.load().data)) as photo:
        picture = ImageOps.fit(photo, side, Image.Resampling.BILINEAR, bleed=_BLEED)
    array = np.asarray(picture, np.float32)[None] / 127.5 - 1
    best = int(model.predict(array, verbose=0)[0].argmax())
    label = (folder / "labels.txt").read_text(encoding="utf-8").splitlines()[best]
    print(json.dumps({"label": label, "megabytes": _resident_megabytes()}), flush=True)


def _resident_megabytes() -> float:
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    kilobytes = next(int(line.split()[1]) for line in lines if line.startswith("VmRSS"))
    return kilobytes * 1024 / 1e6


if __name__ == "__main__":
    main(Path(sys.argv[1]))
