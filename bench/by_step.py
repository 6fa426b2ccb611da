"""CPU of one image by step: every process of the stack, and the classifier from within."""

from __future__ import annotations

import json
import time
from collections import Counter
from pathlib import Path

from bench.checks import BenchFailed
from bench.drain import Drained
from bench.functions import CLASSIFIER, Functions
from bench.warm import Warm

PROBE = Path(__file__).parent / "probe"
# As stack.yml names it.
_FUNCTION_PATH = "/home/app/function"
# Twice what the probe takes between two writes.
_WRITTEN_SECONDS = 1.0
_WARM_UP_IMAGES = 64


def measure(warm: Warm, images: int, scratch: Path, plant: str) -> dict[str, float]:
    """Drain a backlog with a probe in the classifier; tell CPU milliseconds an image by step.

    Args:
        plant: a step of the classifier that is to be a fifth slower.
    """
    folder = scratch / warm.stack.state_dir.name
    folder.mkdir()
    settings = {
        "PYTHONPATH": f"{PROBE}:{_FUNCTION_PATH}",
        "PROBE_DIR": str(folder),
        "PROBE_PLANT": plant,
    }
    Functions(warm.stack).give(CLASSIFIER, settings)
    warm.drain.backlog(_WARM_UP_IMAGES)
    before = _written(folder)
    drained = warm.drain.backlog(images)
    within = _written(folder) - before
    if plant and plant not in within:
        raise BenchFailed(f"there is no step {plant}; there are: {', '.join(sorted(within))}")
    return steps(drained, within, images)


def steps(drained: Drained, within: Counter[str], images: int) -> dict[str, float]:
    """Put the sides and the inside of the classifier together, in the order of an image's way."""
    uploading, draining = drained.uploading.cpu_seconds, drained.draining.cpu_seconds
    whole = sum(used for name, used in draining.items() if name.startswith(CLASSIFIER))
    if not within:
        raise BenchFailed("the classifier was not profiled: its probe wrote nothing")
    found = {f"upload: {name}": used for name, used in uploading.items() if used}
    found |= {f"classifier: {name}": used for name, used in sorted(within.items())}
    found["classifier: the rest"] = whole - sum(within.values())
    others = {name: used for name, used in draining.items() if not name.startswith(CLASSIFIER)}
    found |= {name: used for name, used in others.items() if used}
    return {name: round(used * 1000 / images, 3) for name, used in found.items()}


def _written(folder: Path) -> Counter[str]:
    """Sum up what the probes of all replicas have written, once all of it is there."""
    time.sleep(_WRITTEN_SECONDS)
    found: Counter[str] = Counter()
    for path in folder.glob("*.json"):
        found.update(json.loads(path.read_text()))
    return found
