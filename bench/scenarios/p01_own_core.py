"""With a core of its own the classifier is nearly as fast as its model alone.

The classifier's processes are kept on the last core, everything else on the first, also what
measures. A backlog is uploaded while the consumer stands still, then drained: images/s of the
middle 80 % of the results ÷ RAW on the last core.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from bench import judged, rounds
from bench.cores import apart
from bench.figures import ratios
from bench.functions import CLASSIFIER
from bench.report import table
from bench.scenario import Context, Figure, Outcome
from bench.warm import Warm, models, warm_stack

GOAL = "P1"

_BARS = {"float32": 0.93, "int8": 0.85}


def run(context: Context) -> Outcome:
    """Measure each model on a stack of its own."""
    figures: list[Figure] = []
    details: dict[str, Any] = {}
    for name, folder in models(context).items():
        details[name] = _measure(folder, context.full)
        what = f"images/s of the classifier on its own core / RAW, {name}"
        figures.append(_judge(name, what, details[name]))
    rows = [(name, *map(_range, (it["drained"], it["raw"]))) for name, it in details.items()]
    return Outcome(figures, details, [table(("", "images/s", "RAW images/s"), rows)], [])


def _measure(folder: Path | None, full: bool) -> dict[str, list[float]]:
    with warm_stack(folder) as warm, apart(warm.stack.run_dir, CLASSIFIER) as core:
        arms = {"drained": lambda: _drain(warm, full), "raw": lambda: _raw(warm, core, full)}
        return rounds.shuffled(arms, 5 if full else 1)


def _drain(warm: Warm, full: bool) -> float:
    return warm.drain.backlog(2000 if full else 400).images_per_second


def _raw(warm: Warm, core: int, full: bool) -> float:
    return float(warm.raw(1000 if full else 300, core=core)["imagesPerSecond"])


def _judge(name: str, what: str, found: dict[str, list[float]]) -> Figure:
    shares = ratios(found["drained"], found["raw"])
    if name not in _BARS:
        return judged.reported(GOAL, what, shares)
    return judged.at_least(GOAL, what, shares, _BARS[name])


def _range(values: list[float]) -> str:
    return f"{min(values):.1f}–{max(values):.1f}"
