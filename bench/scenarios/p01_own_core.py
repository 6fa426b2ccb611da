"""With a core of its own the classifier is nearly as fast as its model alone.

The classifier's processes are kept on the last core, everything else on the first, also what
measures. A backlog is uploaded while the consumer stands still, then drained: images/s of the
middle 80 % of the results ÷ RAW on the last core. Cores share caches and memory: RAW beside a first
core that has as much to do, uploads put straight into MinIO, tells what part of the rest is theirs.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from bench import rounds
from bench.load.bare_puts import BarePuts
from bench.measuring.warm import models, warm_stack
from bench.reporting import judged
from bench.reporting.figures import ratios
from bench.reporting.report import table
from bench.scenario import Context, Figure, Outcome
from bench.stacks.beside import looking_on
from bench.stacks.cores import apart
from bench.stacks.functions import CLASSIFIER

GOAL = "P1"

_PUTTING_THREADS = 2  # they and MinIO keep the first core busy
_PUTS_AT_ONCE = 100
_BARS = {"float32": 0.93, "int8": 0.85}


def run(context: Context) -> Outcome:
    """Measure each model on a stack of its own."""
    figures: list[Figure] = []
    details: dict[str, Any] = {}
    for name, folder in models(context).items():
        details[name] = _measure(folder, context.full)
        figures += _judge(name, details[name])
    rows = [
        (name, *map(_range, (it["drained"], it["raw"], it["beside"])))
        for name, it in details.items()
    ]
    columns = ("", "images/s", "RAW images/s", "RAW beside a busy core")
    return Outcome(figures, details, [table(columns, rows)], [])


def _measure(folder: Path | None, full: bool) -> dict[str, list[float]]:
    with warm_stack(folder) as warm, apart(warm.stack.run_dir, CLASSIFIER) as core:
        puts = BarePuts(warm.stack, _PUTTING_THREADS)

        def drained() -> float:
            return warm.drain.backlog(2000 if full else 400).images_per_second

        def raw() -> float:
            return float(warm.raw(1000 if full else 300, core=core)["imagesPerSecond"])

        def beside() -> float:
            image = warm.drain.new_images()
            with looking_on(lambda: puts.per_second(image, _PUTS_AT_ONCE), 0.0):
                return raw()

        arms = {"drained": drained, "raw": raw, "beside": beside}
        return rounds.shuffled(arms, 5 if full else 1)


def _judge(name: str, found: dict[str, list[float]]) -> list[Figure]:
    shares, beside = (ratios(found[arm], found["raw"]) for arm in ("drained", "beside"))
    what = f"images/s of the classifier on its own core / RAW, {name}"
    return [
        judged.at_least(GOAL, what, shares, _BARS[name])
        if name in _BARS
        else judged.reported(GOAL, what, shares),
        judged.reported(GOAL, f"RAW beside a busy core / RAW, {name}", beside),
    ]


def _range(values: list[float]) -> str:
    return f"{min(values):.1f}–{max(values):.1f}"
