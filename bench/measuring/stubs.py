"""Puts the sleeping stub in the place of the classifier: built beside it, deployed by its name."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.load.drain import Drain
from bench.load.photos import Photo
from bench.stacks.functions import CLASSIFIER, Functions
from bench.stacks.stack import BenchStack, running_stack

LABELS = [{"label": "stub", "score": 1.0}]
IMAGE_SECONDS = 0.05

_HANDLER = Path(__file__).parent / "stub_handler.py"
_BUILT = "bench-stub"


@contextmanager
def stub_stack(most: int, **given: str) -> Iterator[tuple[BenchStack, Drain, Functions]]:
    """Start a stack whose classifier sleeps 50 ms an image; it may have so many replicas."""
    # The stub stores no results: after ten minutes the reconciler would send all images again.
    with running_stack(None, RECONCILE_EVERY_SECONDS="0", **given) as stack:
        functions = Functions(stack)
        _build(stack)
        # Room for every call that the consumer makes: what is refused would be asked again later.
        settings = {"STUB_SECONDS": str(IMAGE_SECONDS), "MAX_INFLIGHT": "32"}
        functions.give(CLASSIFIER, settings, image=f"{_BUILT}:latest", most=most)
        drain = Drain(stack, Photo.load(), LABELS)
        drain.warm_up()
        yield stack, drain, functions


def _build(stack: BenchStack) -> None:
    """Copy the classifier's build and put the stub's handler into it."""
    builds = stack.state_dir / "build"
    target = builds / _BUILT
    shutil.copytree(builds / CLASSIFIER, target)
    shutil.copyfile(_HANDLER, target / "function" / "handler.py")
