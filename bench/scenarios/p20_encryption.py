"""Encryption costs little: TLS at the gateway, and of all that MinIO stores.

Two stacks stand side by side, one with both, one with neither; each process has its account and its
rights at MinIO, Redis and Kafka in either, as that cannot be switched off. In each round either is
measured, in shuffled order: uploads on schedule while its consumer stands still, from the instant
that one was meant to start to its 202; then the CPU of every process while a backlog is drained.
"""

from __future__ import annotations

from contextlib import closing
from functools import partial
from itertools import count
from typing import Any

from bench import rounds
from bench.load.client import Client
from bench.load.open_loop import open_loop
from bench.measuring.warm import Warm, warm_stack
from bench.reporting import judged
from bench.reporting.figures import median, milliseconds, ratios
from bench.reporting.report import table
from bench.scenario import Context, Outcome

GOAL = "P20"

_WITH, _WITHOUT = {"TLS": "1"}, {"TLS": "0", "ENCRYPT_AT_REST": "0"}
# A quarter of what two cores accept: it is the way that is measured, and no queue.
_PER_SECOND = 40.0

Measured = dict[str, Any]


def run(context: Context) -> Outcome:
    """Measure both stacks in each round."""
    seconds, images, times = (30.0, 1000, 7) if context.full else (8.0, 300, 3)
    with (
        warm_stack(context.model_dir, **_WITH) as encrypted,
        warm_stack(context.model_dir, **_WITHOUT) as plain,
    ):
        numbers = count()
        arms = {
            "with": partial(_measure, encrypted, numbers, seconds, images),
            "without": partial(_measure, plain, numbers, seconds, images),
        }
        found = rounds.shuffled(arms, times)
    figures = [
        judged.at_most(GOAL, "upload p99, with : without", _ratios(found, "p99"), 1.15),
        judged.reported(GOAL, "upload p50, with : without", _ratios(found, "p50")),
        judged.at_most(GOAL, "CPU of a drained image, with : without", _ratios(found, "cpu"), 1.03),
        judged.reported(GOAL, "CPU of an upload, with : without", _ratios(found, "uploadCpu")),
    ]
    return Outcome(figures, {"rounds": found}, [_table(found), _processes(found)], [])


def _measure(warm: Warm, numbers: count[int], seconds: float, images: int) -> Measured:
    series = f"encryption {next(numbers)}"
    # Closed behind it, and its connections are made anew: as clients come.
    with closing(Client(warm.stack)) as client, warm.drain.uploading() as jobs:
        sent = open_loop(
            lambda number: client.upload(warm.photo.numbered(series, number)), _PER_SECOND, seconds
        )
        jobs += [each.answer.body["jobId"] for each in sent]
    drained = warm.drain.backlog(images)
    return {
        **milliseconds([each.ended - each.intended for each in sent]),
        "cpu": drained.cpu_milliseconds,
        "uploadCpu": drained.upload_cpu_milliseconds,
        "draining": drained.draining.per_image(images),
    }


def _ratios(found: dict[str, list[Measured]], what: str) -> list[float]:
    encrypted, plain = ([each[what] for each in found[arm]] for arm in ("with", "without"))
    return ratios(encrypted, plain)


def _table(found: dict[str, list[Measured]]) -> str:
    names = {
        "p50": "upload, p50, ms",
        "p99": "upload, p99, ms",
        "uploadCpu": "CPU of an upload, ms",
        "cpu": "CPU of a drained image, ms",
    }
    rows = [(names[key], *(_median(found[arm], key) for arm in found)) for key in names]
    return table(("median of the rounds", *found), rows)


def _processes(found: dict[str, list[Measured]]) -> str:
    """Where the CPU of a drained image goes."""
    named = {
        arm: [each["draining"]["cpuMillisecondsPerImage"] for each in found[arm]] for arm in found
    }
    names = sorted({name for each in named.values() for one in each for name in one})
    rows = [
        (name, *(round(median([one.get(name, 0.0) for one in named[arm]]), 2) for arm in named))
        for name in names
    ]
    return table(("CPU of a drained image, ms", *named), rows)


def _median(measured: list[Measured], what: str) -> float:
    return round(median([each[what] for each in measured]), 2)
