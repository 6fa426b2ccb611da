"""CPU of one image by step: every process of the stack, and the classifier from within."""

from __future__ import annotations

import json
import tempfile
from collections import Counter
from pathlib import Path

from bench.checks import BenchFailed
from bench.load.drain import Drained
from bench.measuring.warm import Warm
from bench.stacks.functions import CLASSIFIER, Functions, until

PROBE = Path(__file__).parent / "probe"
# As stack.yml names it.
_FUNCTION_PATH = "/home/app/function"
_WARM_UP_IMAGES = 64


def measure(warm: Warm, images: int, plant: str) -> dict[str, float]:
    """Drain a backlog with a probe in the classifier; tell CPU milliseconds an image by step.

    Args:
        plant: a step of the classifier that is to be a fifth slower.
    """
    folder = Path(tempfile.mkdtemp(dir=warm.stack.shared))
    folder.chmod(0o777)
    settings = {
        "PYTHONPATH": f"{PROBE}:{_FUNCTION_PATH}",
        "PROBE_DIR": str(folder),
        "PROBE_PLANT": plant,
    }
    functions = Functions(warm.stack)
    functions.give(CLASSIFIER, settings)
    paths = [folder / f"{pid}.json" for _, pid in functions.replicas(CLASSIFIER)]
    warm.drain.backlog(_WARM_UP_IMAGES)
    before = _written(paths)
    drained = warm.drain.backlog(images)
    within = _written(paths) - before
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


def _written(paths: list[Path]) -> Counter[str]:
    """Sum up what the probes of all replicas have written, once all of it is there."""
    for _ in range(2):  # what is being written now may have been summed up before
        _wait_for_writes(paths)
    found: Counter[str] = Counter()
    for path in paths:
        found.update(json.loads(path.read_text()))
    return found


def _wait_for_writes(paths: list[Path]) -> None:
    before = {path: _written_at(path) for path in paths}
    until(lambda: all(_written_at(path) > at for path, at in before.items()), "the probes' writing")


def _written_at(path: Path) -> int:
    """When it was written, in nanoseconds; 0 when it never was."""
    return path.stat().st_mtime_ns if path.exists() else 0
