"""RAW: the same bytes through the same decoding and the same engine in a loop, nothing else.

`python -m bench.measuring.raw` runs it in a process of its own, which finds the classifier's
modules on PYTHONPATH as a function does, and the model in the MinIO that the environment names.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

from bench.checks import BenchFailed
from bench.load.photos import Photo
from bench.stacks.stack import BenchStack
from local.services.settings import ROOT
from pipeline.images import decoding
from pipeline.models import bundles
from pipeline.settings import Settings
from pipeline.storage.object_store import ObjectStore

COMMAND = (sys.executable, "-m", "bench.measuring.raw")
# Said by one that waits for a line before it begins, as others are to begin with it.
WARM = "warm"

_WARM_UP_IMAGES = 20


def measure(
    stack: BenchStack, count: int, threads: int = 1, core: int | None = None
) -> dict[str, Any]:
    """Run RAW in a process of its own and read what it found.

    Args:
        count: images of each thread.
        core: where one thread runs; the last of ours when not given.

    Raises:
        BenchFailed: it failed.
    """
    cores = os.sched_getaffinity(0)
    place = {max(cores) if core is None else core} if threads == 1 else cores
    finished = subprocess.run(
        [*COMMAND, "--images", str(count), "--threads", str(threads)],
        preexec_fn=partial(os.sched_setaffinity, 0, place),
        cwd=ROOT,
        env=environment(stack),
        stdout=subprocess.PIPE,
        text=True,
    )
    if finished.returncode:
        raise BenchFailed(f"RAW ended with status {finished.returncode}")
    found: dict[str, Any] = json.loads(finished.stdout)
    return found


def environment(stack: BenchStack) -> dict[str, str]:
    """Tell RAW's process where the model and the classifier's modules are."""
    paths = os.pathsep.join([str(ROOT), str(ROOT / "functions" / "image-classifier")])
    return {**os.environ, **stack.addresses, "PYTHONPATH": paths}


def check_label(photo: Photo, found: dict[str, Any]) -> None:
    """RAW is what the service is compared with: compare it with what is in the picture.

    Raises:
        BenchFailed: it is something else.
    """
    said = found["labels"][0]["label"]
    known = None if found["model"]["demonstration"] else photo.label
    if known and not said.startswith(known):
        raise BenchFailed(f"RAW says {said!r} of a picture of {known!r}")


def run(settings: Settings, count: int, threads: int, *, wait: bool = False) -> dict[str, Any]:
    """Classify so many images in each thread, one after the other.

    Args:
        wait: say when it is warm and begin when a line is read.
    """
    # Here, as only this process has them on its path.
    import answers
    from engine import Engine
    from model import Model

    store = ObjectStore(settings)
    files = bundles.read_bundle(store, bundles.current_model_id(settings, store))
    models = [Model.from_files(files) for _ in range(threads)]
    limits = decoding.Limits.from_settings(settings)
    engines = [Engine(model, limits, settings.top_k) for model in models]
    photo = Photo.load()
    seen = [
        engine.look(photo.numbered("warm-up", number))
        for engine in engines
        for number in range(_WARM_UP_IMAGES)
    ]
    data = [photo.numbered("raw", number) for number in range(count)]
    if wait:
        print(WARM, flush=True)
        sys.stdin.readline()
    cpu, wall = _timed([partial(_look_at_all, engine, data) for engine in engines])
    manifest = models[0].manifest
    return {
        "images": count * threads,
        "cpuMillisecondsPerImage": round(cpu * 1000 / (count * threads), 3),
        "imagesPerSecond": round(count * threads / wall, 1),
        "model": {"modelId": manifest.model_id, **answers.model_of(manifest)},
        "labels": answers.labels_of(seen[-1]),
    }


def _look_at_all(engine: Any, data: list[bytes]) -> None:
    for each in data:
        engine.look(each)


def _timed(works: list[Callable[[], None]]) -> tuple[float, float]:
    """Do the works side by side; return CPU and wall seconds."""
    cpu, wall = time.process_time(), time.perf_counter()
    with ThreadPoolExecutor(len(works)) as pool:
        for done in [pool.submit(work) for work in works]:
            done.result()
    return time.process_time() - cpu, time.perf_counter() - wall


def main() -> None:
    """Print what was found as JSON."""
    parser = argparse.ArgumentParser(prog="python -m bench.measuring.raw", description=__doc__)
    parser.add_argument("--images", type=int, default=300)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--wait", action="store_true", help="begin when a line is read")
    options = parser.parse_args()
    settings = Settings.from_env(os.environ)
    print(json.dumps(run(settings, options.images, options.threads, wait=options.wait)))


if __name__ == "__main__":
    main()
