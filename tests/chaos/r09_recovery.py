"""What is killed does its work again within seconds.

Under a steady load each part is killed by SIGKILL in turn; the time runs from the kill until work
of that part is done again, not until a probe says so.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.chaos import evidence, storm, timeline
from tests.chaos.faults import CONSUMER, Kill, kill
from tests.chaos.findings import Finding, Size
from tests.chaos.ledger import Entry, Ledger, read
from tests.chaos.load import Load
from tests.chaos.pictures import drawn
from tests.chaos.traces import Evidence
from tests.local_stack import LocalStack, running_stack

GOAL = "R9"

_PER_SECOND = 20.0
_KILLS = {Size.SHORT: 3, Size.FULL: 10}
# Longer than the bar of each, so that the next kill meets a stack that is whole again.
_APART_SECONDS = 20.0

Measure = Callable[[Sequence[Entry], Evidence, float], float]


@dataclass(frozen=True)
class Bar:
    """How recovery of a part is measured, and the longest that is allowed."""

    seconds: float
    until: str
    measure: Measure


_BARS: Mapping[str, Bar] = {
    CONSUMER: Bar(
        10.0,
        "the next result event",
        lambda _, left, at: timeline.after(timeline.results(left), at),
    ),
    "image-classifier": Bar(
        2.0,
        "the event of an image that was inferred after it",
        lambda _, left, at: timeline.inferred_after(left, at),
    ),
    "kafka": Bar(
        10.0, "the event of an image that was sent after it", timeline.whole_way_after
    ),
    "minio": Bar(
        5.0,
        "the 202 of an image that was sent after it",
        lambda entries, _, at: timeline.accepted_after(entries, at),
    ),
}  # fmt: skip


def run(size: Size, folder: Path) -> list[Finding]:
    """Kill each of the parts again and again under a steady load."""
    entries, sources = folder / "ledger.jsonl", drawn()
    with running_stack(folder / "state") as stack, Ledger(entries) as ledger:
        evidence.watch(stack)
        with Load(stack, ledger, sources, threads=8, per_second=_PER_SECOND).running():
            kills = [_kill(stack, name) for _ in range(_KILLS[size]) for name in _BARS]
        verdict, left = storm.settle(stack, entries, sources)
    requests = list(read(entries))
    return [
        *storm.findings_of(GOAL, f"{len(kills)} kills", verdict),
        *(_finding(name, bar, kills, requests, left) for name, bar in _BARS.items()),
    ]


def _kill(stack: LocalStack, name: str) -> Kill:
    killed = kill(stack, name)
    assert killed, f"{name} does not run {_APART_SECONDS} s after the kill before"
    time.sleep(_APART_SECONDS)
    return killed


def _finding(
    name: str, bar: Bar, kills: Sequence[Kill], requests: Sequence[Entry], left: Evidence
) -> Finding:
    seconds = [bar.measure(requests, left, each.at) for each in kills if each.name == name]
    slowest = timeline.percentile(seconds, 95)
    middle = timeline.percentile(seconds, 50)
    return Finding(
        GOAL,
        f"{name}: kill to {bar.until}, p95 of {len(seconds)}",
        f"{slowest:.2f} s (p50 {middle:.2f} s)",
        f"{bar.seconds:g} s",
        slowest <= bar.seconds,
    )
