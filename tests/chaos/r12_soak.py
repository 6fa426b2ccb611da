"""Memory, descriptors and threads stay flat in an hour at 70 % load.

The capacity is measured first; then every process of the stack is looked at 240 times. The slopes
are fitted through the last three quarters. Results leave the cache after a tenth of the run, so
that Redis is as full at its end as after the warm-up.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from tests.chaos import evidence, memory, storm
from tests.chaos.findings import Finding, Size, reported
from tests.chaos.ledger import Ledger
from tests.chaos.load import Load
from tests.chaos.memory import Sample
from tests.chaos.pictures import drawn
from tests.local_stack import LocalStack, running_stack

GOAL = "R12"

_MINUTES = {Size.SHORT: 1.0, Size.FULL: 60.0}
_LOAD = 0.7
_THREADS = 8
# How long the capacity is measured: as fast as accepted, until all of it is worked off.
_CAPACITY_SECONDS = {Size.SHORT: 15.0, Size.FULL: 60.0}
# What grows in this part of the run is warmth: caches, pools and heaps that fill up once.
_WARM_UP = 0.25
_LOOKS = 240
# For how much of the run a result stays in Redis, which holds 128 MB of them otherwise.
_CACHED = 0.1
_SLOPE_MEGABYTES = 1.0
# A connection or a thread of a pool more or less is no leak; an hour's leak would be hundreds.
_MORE_ALLOWED = 4.0
_DRAIN_SECONDS = 300.0
# The autoscaler is looked at too, but a replica that comes or goes is no growth of memory.
_SETTINGS = {"AUTOSCALE": "1", "CLASSIFIER_MAX_REPLICAS": "1"}


def run(size: Size, folder: Path, minutes: float | None = None) -> list[Finding]:
    """Measure the capacity, then look at every process again and again at 70 % of it."""
    entries, sources = folder / "ledger.jsonl", drawn()
    seconds = 60 * (minutes or _MINUTES[size])
    with running_stack(folder / "state", settings=_SETTINGS) as stack, Ledger(entries) as ledger:
        evidence.watch(stack)
        stack.give("image-classifier", CACHE_TTL_SECONDS=str(max(1, round(seconds * _CACHED))))
        capacity = _capacity(stack, Load(stack, ledger, sources, _THREADS), _CAPACITY_SECONDS[size])
        load = Load(stack, ledger, sources, _THREADS, capacity * _LOAD)
        with load.running():
            looks = _look(stack, load, seconds, folder / "memory.jsonl")
        behind = evidence.lag(stack)
        verdict, _ = storm.settle(stack, entries, sources, _DRAIN_SECONDS)
    warm = looks[int(len(looks) * _WARM_UP) :]
    what = f"{seconds / 60:g} minutes at {capacity * _LOAD:.0f} images/s"
    said = f"{load.accepted:,} accepted, {load.refused} refused, {behind} behind at the end"
    return [
        *storm.findings_of(GOAL, what, verdict),
        reported(GOAL, f"{what}, of a capacity of {capacity:.0f}", said),
        *(_slope(name, _of(name, warm)) for name in sorted(warm[-1])),
        _slope("all processes", memory.total(warm)),
        _flat("descriptors", [each.descriptors for each in memory.total(warm)]),
        _flat("threads", [each.threads for each in memory.total(warm)]),
    ]


def _capacity(stack: LocalStack, load: Load, seconds: float) -> float:
    """Measure how many images a second are accepted and worked off."""
    started = time.monotonic()
    with load.running():
        time.sleep(seconds)
    uploaded = time.monotonic() - started
    return load.accepted / (uploaded + evidence.drain(stack, _DRAIN_SECONDS))


def _look(stack: LocalStack, load: Load, seconds: float, log: Path) -> list[dict[str, Sample]]:
    """Look at every process again and again; each look is kept, whatever becomes of the run."""
    looks = []
    for number in range(1, _LOOKS + 1):
        time.sleep(seconds / _LOOKS)
        looks.append(memory.sample(stack, load.accepted))
        with log.open("a", encoding="utf-8") as lines:
            lines.write(json.dumps({name: asdict(each) for name, each in looks[-1].items()}) + "\n")
        if number % (_LOOKS // 12) == 0:
            print(f"  {load.accepted:,} accepted", flush=True)
    return looks


def _of(name: str, looks: Sequence[dict[str, Sample]]) -> list[Sample]:
    samples = [look[name] for look in looks if name in look]
    assert len({each.leader for each in samples}) == 1, f"{name} was restarted"
    return samples


def _slope(name: str, samples: Sequence[Sample]) -> Finding:
    slope = memory.slope_megabytes(samples)
    begin, end = (samples[place].resident_bytes / 1e6 for place in (0, -1))
    return Finding(
        GOAL,
        f"{name}: resident memory per 10,000 images, fitted after warm-up",
        f"{slope:+.2f} MB ({begin:.0f} to {end:.0f} MB)",
        f"{_SLOPE_MEGABYTES:g} MB",
        slope <= _SLOPE_MEGABYTES,
    )


def _flat(what: str, counts: Sequence[int]) -> Finding:
    more = memory.growth(counts)
    measured = f"{more:+g} ({min(counts)} to {max(counts)})"
    held = more <= _MORE_ALLOWED
    return Finding(GOAL, f"{what} of all processes", measured, f"+{_MORE_ALLOWED:g}", held)
