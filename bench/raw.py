"""RAW: the same bytes through the same decoding and the same engine in a loop, on one core.

`python -m bench.raw` runs it in a process of its own, which finds the classifier's modules on
PYTHONPATH as a function does, and the model in the MinIO that the environment names.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from typing import Any

from bench.checks import BenchFailed
from bench.photos import Photo
from bench.stack import BenchStack
from local.services.settings import ROOT
from pipeline import bundles, images
from pipeline.settings import Settings
from pipeline.storage import ObjectStore

_WARM_UP_IMAGES = 20


def measure(stack: BenchStack, count: int) -> dict[str, Any]:
    """Run RAW in a process of its own and read what it found.

    Raises:
        BenchFailed: it failed.
    """
    paths = os.pathsep.join([str(ROOT), str(ROOT / "functions" / "image-classifier")])
    finished = subprocess.run(
        [sys.executable, "-m", "bench.raw", "--images", str(count)],
        cwd=ROOT,
        env={**os.environ, **stack.addresses, "PYTHONPATH": paths},
        stdout=subprocess.PIPE,
        text=True,
    )
    if finished.returncode:
        raise BenchFailed(f"RAW ended with status {finished.returncode}")
    found: dict[str, Any] = json.loads(finished.stdout)
    return found


def run(settings: Settings, count: int) -> dict[str, Any]:
    """Classify so many images one after the other, on one core."""
    # Here, as only this process has them on its path.
    import answers
    from engine import Engine
    from model import Model

    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    store = ObjectStore(settings)
    model = Model.from_files(bundles.read_bundle(store, bundles.current_model_id(settings, store)))
    engine = Engine(model, images.Limits.from_settings(settings), settings.top_k)
    photo = Photo.load()
    seen = [engine.look(photo.numbered("warm-up", number)) for number in range(_WARM_UP_IMAGES)]
    data = [photo.numbered("raw", number) for number in range(count)]
    cpu, wall = time.process_time(), time.perf_counter()
    for each in data:
        engine.look(each)
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    return {
        "images": count,
        "cpuMillisecondsPerImage": round(cpu * 1000 / count, 3),
        "imagesPerSecond": round(count / wall, 1),
        "model": {"modelId": model.manifest.model_id, **answers.model_of(model.manifest)},
        "labels": answers.labels_of(seen[-1]),
    }


def main() -> None:
    """Print what was found as JSON."""
    parser = argparse.ArgumentParser(prog="python -m bench.raw", description=__doc__)
    parser.add_argument("--images", type=int, default=300)
    options = parser.parse_args()
    print(json.dumps(run(Settings.from_env(os.environ), options.images)))


if __name__ == "__main__":
    main()
