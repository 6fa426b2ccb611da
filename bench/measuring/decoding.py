"""Large JPEGs become the model's input, decoded at a part of their size and whole.

`python -m bench.measuring.decoding FOLDER COUNT` has the classifier's modules on PYTHONPATH and a
model's bundle in the folder; it prints what it found as JSON.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from bench.checks import BenchFailed
from bench.load.crops import crops
from local.services.settings import ROOT
from pipeline.images import decoding
from pipeline.settings import Settings

# 12 megapixels.
_SIZE = (4000, 3000)
_QUALITY = 90


def compare(bundle: Path, count: int) -> dict[str, Any]:
    """Decode so many enlarged crops both ways, in a process of its own.

    Returns:
        Of each, `scaled` and `full`: CPU milliseconds, the best labels, and how far each is ahead
        of the next one, as a share of 1.
    """
    paths = os.pathsep.join([str(ROOT), str(ROOT / "functions" / "image-classifier")])
    finished = subprocess.run(
        [sys.executable, "-m", "bench.measuring.decoding", str(bundle), str(count)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": paths},
        stdout=subprocess.PIPE,
        text=True,
    )
    if finished.returncode:
        raise BenchFailed(f"decoding ended with status {finished.returncode}")
    found: dict[str, Any] = json.loads(finished.stdout)
    return found


def main(folder: Path, count: int) -> None:
    """Print what was found."""
    # Here, as only this process has them on its path.
    from model import Model
    from preprocessing import preprocess

    model, limits = Model.from_folder(folder), decoding.Limits.from_settings(Settings())
    sides = {"scaled": model.manifest.preprocessing.min_short_side, "full": None}
    found: dict[str, dict[str, list[Any]]] = {
        name: {"milliseconds": [], "labels": [], "leads": []} for name in sides
    }

    def seen(data: bytes, side: int | None) -> NDArray[np.float32]:
        return preprocess(decoding.decode(data, limits, side), model.manifest).array

    chance = random.Random(count)
    for crop in crops(count):
        data = _enlarged(crop)
        # In turn first: the second finds the bytes in the caches.
        for name in chance.sample(sorted(sides), len(sides)):
            array, spent = _timed(partial(seen, data, sides[name]))
            scores = model.predict(array)
            found[name]["milliseconds"].append(spent)
            best, next_one = model.top_k(scores, 2)
            found[name]["labels"].append(best.label)
            found[name]["leads"].append(float(best.score - next_one.score))
    print(json.dumps(found))


def _enlarged(crop: Image.Image) -> bytes:
    buffer = BytesIO()
    crop.resize(_SIZE, Image.Resampling.BICUBIC).save(buffer, "JPEG", quality=_QUALITY)
    return buffer.getvalue()


def _timed(work: Callable[[], NDArray[np.float32]]) -> tuple[NDArray[np.float32], float]:
    cpu = time.process_time()
    array = work()
    return array, (time.process_time() - cpu) * 1000


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
