"""A burst of four times one replica's capacity finds enough replicas within seconds.

The classifier is a stub that sleeps 50 ms an image, so that cores are no limit. Uploads come open
loop at four times what one replica does; from the first of them to the instant that the function
has four replicas available. Reversals are changes of direction of the wanted replicas while the
burst lasts. Between bursts the autoscaler goes back to one by itself. At last no more than two
replicas are allowed and a backlog is drained: what the autoscaler says each second of its end ÷
when it ends.
"""

from __future__ import annotations

import time
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from typing import Any

from bench.checks import BenchFailed
from bench.load.arrivals import Arrivals
from bench.load.client import Client
from bench.load.drain import Drain
from bench.load.forecast import forecasts
from bench.load.open_loop import open_loop
from bench.measuring.stubs import IMAGE_SECONDS, stub_stack
from bench.reporting import judged, svg
from bench.reporting.figures import median, percentile, reversals
from bench.scenario import Context, Figure, Outcome
from bench.stacks.beside import looking_on
from bench.stacks.functions import CLASSIFIER, Functions, until
from bench.stacks.stack import BenchStack

GOAL = "P9"

_TIMES = 4
_MOST = 8
_FEW = 2
_BACKLOG_IMAGES = {False: 1000, True: 4000}
_FORECAST_WITHIN = 0.25
_BURST_SECONDS = 15.0
_CALM_SECONDS = 300.0
_LOOK_SECONDS = 0.1
_ACCEPTED = 202
# One image-upload: a replica of it that goes while the backlog is drained could not be measured.
_SETTINGS = {
    "AUTOSCALE": "1", "BATCH_SIZE": "8", "BATCHES_IN_FLIGHT": "16", "UPLOAD_MAX_REPLICAS": "1",
}  # fmt: skip


@dataclass(frozen=True)
class Look:
    """What OpenFaaS said of the function, seconds after the burst began."""

    seconds: float
    wanted: int
    available: int


def run(context: Context) -> Outcome:
    """Burst after burst, each from one replica."""
    with stub_stack(_MOST, **_SETTINGS) as (stack, drain, functions):
        count = 10 if context.full else 1
        bursts = [_burst(stack, drain, functions) for _ in range(count)]
        functions.give(CLASSIFIER, {}, most=_FEW)
        said = forecasts(stack, drain, _BACKLOG_IMAGES[context.full])
    took = [_enough_after(looks) for looks in bursts]
    turns = [reversals([look.wanted for look in looks]) for looks in bursts]
    slowest = percentile(took, 95)
    note = f"p95 of {count}; p50 {median(took):.1f} s"
    figures = [
        judged.at_most(GOAL, f"burst → {_TIMES} replicas available", [slowest], 6, "s", note),
        judged.at_most(GOAL, "reversals in a burst", [float(max(turns))], 1),
        _forecast(said),
    ]
    details = {
        "seconds": took,
        "reversals": turns,
        "timelines": [_kept(each) for each in bursts],
        "forecasts": said,
    }
    return Outcome(figures, details, [], [_plot(context, bursts[-1])])


def _burst(stack: BenchStack, drain: Drain, functions: Functions) -> list[Look]:
    until(lambda: _available(functions) == 1, "one replica again", _CALM_SECONDS)
    image, looks = drain.new_images(), list[Look]()
    with (
        closing(Client(stack)) as client,
        Arrivals(stack.settings) as arrivals,
        looking_on(partial(_look, functions, looks, time.monotonic()), _LOOK_SECONDS),
    ):
        per_second = _TIMES / IMAGE_SECONDS
        sent = open_loop(lambda number: client.upload(image(number)), per_second, _BURST_SECONDS)
        jobs = [each.answer.body["jobId"] for each in sent if each.answer.status == _ACCEPTED]
        drain.check(arrivals, jobs)
    return looks


def _look(functions: Functions, looks: list[Look], started: float) -> None:
    status = functions.status(CLASSIFIER)
    seconds = time.monotonic() - started
    looks.append(Look(seconds, status["replicas"], status["availableReplicas"]))


def _enough_after(looks: list[Look]) -> float:
    enough = [look.seconds for look in looks if look.available >= _TIMES]
    if not enough:
        most = max(look.available for look in looks)
        raise BenchFailed(f"a burst never found {_TIMES} replicas; the most were {most}")
    return enough[0]


def _forecast(said: list[float]) -> Figure:
    wrong = [abs(each - 1) for each in said]
    what = f"forecast of a backlog's end, cap {_FEW}: how far off, p95"
    note = f"p95 of {len(said)} seconds; forecast ÷ actual {min(said):.2f} to {max(said):.2f}"
    return judged.at_most(GOAL, what, [percentile(wrong, 95)], _FORECAST_WITHIN, note=note)


def _available(functions: Functions) -> int:
    return int(functions.status(CLASSIFIER)["availableReplicas"])


def _kept(looks: list[Look]) -> list[tuple[Any, ...]]:
    """Only where something changed."""
    changed = [
        look
        for before, look in zip([None, *looks], looks, strict=False)
        if before is None or (before.wanted, before.available) != (look.wanted, look.available)
    ]
    return [(round(look.seconds, 1), look.wanted, look.available) for look in changed]


def _plot(context: Context, looks: list[Look]) -> str:
    series = {
        "wanted": [(look.seconds, float(look.wanted)) for look in looks],
        "available": [(look.seconds, float(look.available)) for look in looks],
    }
    path = context.folder / "p09-burst.svg"
    title = f"A burst of {_TIMES} × one replica's capacity"
    return svg.steps(path, title, ("seconds", "replicas"), series)
