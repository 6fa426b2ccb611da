"""Every replica on a core of its own adds what its core can do: nothing in between is the cap.

A backlog is drained by 1, 2, 4, 8 and 12 replicas, as many of these as there are cores, on the
settings that everybody has: images/s ÷ RAW in as many processes at once, a core each. All else
runs on the same cores, so that the share falls where replicas leave it none; what the consumer has
to do with it is told by the CPU beside it.
"""

from __future__ import annotations

import os
from functools import partial
from typing import Any

from bench import rounds
from bench.measuring import raws
from bench.measuring.warm import Warm, warm_stack
from bench.reporting import judged, svg
from bench.reporting.figures import median, ratios
from bench.reporting.report import table
from bench.scenario import Context, Outcome
from bench.stacks.fitting import fitting
from bench.stacks.functions import CLASSIFIER, Functions
from bench.stacks.stack import CONSUMER

GOAL = "P17"

_REPLICAS = (1, 2, 4, 8, 12)
_PROVIDER = "provider"
# Of each replica or process.
_IMAGES = {False: 300, True: 1000}
_RAW_IMAGES = {False: 200, True: 600}

Arm = dict[str, Any]


def run(context: Context) -> Outcome:
    """Measure pipeline and RAW with each number of replicas."""
    counts = fitting(_REPLICAS)
    with warm_stack(context.model_dir, CLASSIFIER_MAX_REPLICAS=str(max(counts))) as warm:
        functions, images = Functions(warm.stack), _IMAGES[context.full]
        arms = {
            str(count): partial(_measure, warm, functions, count, images, context.full)
            for count in counts
        }
        found = rounds.shuffled(arms, 5 if context.full else 1)
    cores = len(os.sched_getaffinity(0))
    figures = [
        judged.reported(GOAL, f"images/s ÷ RAW, {count} replicas on {cores} cores", _shares(each))
        for count, each in found.items()
    ]
    return Outcome(figures, {"cores": cores, **found}, [_table(found)], [_plot(context, found)])


def _measure(warm: Warm, functions: Functions, count: int, images: int, full: bool) -> Arm:
    functions.scale(CLASSIFIER, count)
    drained = warm.drain.backlog(images * count)
    raw = raws.images_per_second(warm.stack, _RAW_IMAGES[full], count)
    busy = max(drained.instants) - drained.started
    cpu = drained.draining.cpu_seconds
    return {
        "imagesPerSecond": round(drained.images_per_second, 1),
        "rawImagesPerSecond": round(raw, 1),
        "uploadsPerSecond": round(drained.uploaded.per_second, 1),
        "consumerCores": round(cpu.get(CONSUMER, 0.0) / busy, 2),
        "providerCores": round(cpu.get(_PROVIDER, 0.0) / busy, 2),
        "allCores": round(sum(cpu.values()) / busy, 2),
    }


def _shares(found: list[Arm]) -> list[float]:
    rates = [each["imagesPerSecond"] for each in found]
    return ratios(rates, [each["rawImagesPerSecond"] for each in found])


def _table(found: dict[str, list[Arm]]) -> str:
    rows = [
        (
            count,
            *(_median(each, key) for key in ("imagesPerSecond", "rawImagesPerSecond")),
            round(median(_shares(each)), 2),
            *(_median(each, key) for key in ("consumerCores", "providerCores", "allCores")),
        )
        for count, each in found.items()
    ]
    columns = (
        "replicas", "images/s", "RAW images/s", "÷", "cores of the consumer", "of the provider",
        "of all",
    )  # fmt: skip
    return table(columns, rows)


def _median(found: list[Arm], key: str) -> float:
    return round(median([each[key] for each in found]), 2)


def _plot(context: Context, found: dict[str, list[Arm]]) -> str:
    series = {
        name: [(float(count), _median(each, key)) for count, each in found.items()]
        for name, key in (("pipeline", "imagesPerSecond"), ("RAW", "rawImagesPerSecond"))
    }
    path = context.folder / "p17-cores.svg"
    return svg.lines(path, "Replicas, a core each", ("replicas", "images/s"), series)
