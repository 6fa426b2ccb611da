"""A kill at every named point of an image's way: with one image, a batch, a retry under way."""

from __future__ import annotations

import random
import time
from itertools import product
from pathlib import Path

from pipeline.hooks.crashes import POINTS
from tests.chaos.faults import CONSUMER
from tests.chaos.findings import Finding, Size, reported
from tests.chaos.points import (
    REQUEST_TIMEOUT_SECONDS,
    RETRY_BASE_SECONDS,
    SITUATIONS,
    Cell,
    Points,
)
from tests.chaos.storm import findings_of
from tests.chaos.trial import Trial
from tests.local_stack import made_shared, running_stack

GOAL = "R2"

# What a cell takes on two cores, to choose as many as a short run has time for.
_SHORT_SECONDS = 50.0
_CELL_SECONDS = {"single": 2.5, "batch": 3.0, "retry": 8.0}
# A killed consumer is in its group until its successor has expelled it.
_CONSUMER_SECONDS = 3.0


def run(size: Size, folder: Path, seed: int = 2) -> list[Finding]:
    """Run every cell, or a sample; in an order that the seed chooses."""
    crashes = made_shared(folder / "state") / "crashes"
    crashes.mkdir()
    crashes.chmod(0o777)
    every = [Cell(*names) for names in product(POINTS, SITUATIONS)]
    cells = random.Random(seed).sample(every, len(every))
    cells = _sample(cells) if size is Size.SHORT else cells
    given = {
        "CRASH_DIR": str(crashes),
        "RETRY_BASE_SECONDS": str(RETRY_BASE_SECONDS),
        "REQUEST_TIMEOUT_SECONDS": str(REQUEST_TIMEOUT_SECONDS),
    }
    with running_stack(folder / "state", settings=given) as stack:
        trial = Trial(stack, folder)
        for function in ("image-upload", "image-classifier"):
            stack.give(function, CRASH_DIR=str(crashes))
        points = Points(trial, crashes)
        missed = [cell for cell in cells if not _is_hit(points, cell)]
        verdict, left = trial.judge()
    retries = sum(cell.situation == "retry" for cell in cells)
    names = ", ".join(map(str, missed)) or "none"
    tried = f"{len(cells)} of {len(every)} cells"
    return [
        Finding(GOAL, f"{tried}: not hit or not recovered from", names, "none", not missed),
        Finding(GOAL, *_at_least(f"of them {retries} at attempt 2", left.retries, retries)),
        *findings_of(GOAL, f"{tried}: point x single, batch, retry", verdict),
        reported(GOAL, "inferences repeated", f"{verdict.repeated_inferences}"),
    ]


def _sample(cells: list[Cell]) -> list[Cell]:
    """Take cells while there is time for them."""
    left, chosen = _SHORT_SECONDS, []
    for cell in cells:
        seconds = _CELL_SECONDS[cell.situation]
        seconds += _CONSUMER_SECONDS if cell.victim == CONSUMER else 0
        if seconds <= left:
            left -= seconds
            chosen.append(cell)
    return chosen


def _is_hit(points: Points, cell: Cell) -> bool:
    started = time.monotonic()
    try:
        points.run(cell)
    except AssertionError as error:
        print(f"  {GOAL} {cell}: {error}", flush=True)
        return False
    print(f"  {GOAL} {cell}: {time.monotonic() - started:.1f} s", flush=True)
    return True


def _at_least(what: str, count: int, least: int) -> tuple[str, str, str, bool]:
    return what, f"{count} retries", f">= {least}", count >= least
