"""Clusters that nobody has measured, in the model: what they do, and which part is busiest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from bench.reporting.figures import percentile
from bench.simulation.machine import Machine
from bench.simulation.plan import Planner
from bench.simulation.processors import Part
from bench.simulation.stack import Layout
from bench.simulation.tables import Tables
from bench.simulation.uploading import at_random

# The rates that the page plans for.
RATES = (1000.0, 10_000.0)
# OpenFaaS Community Edition has no more replicas of a function.
EDITION_REPLICAS = 5

_SEED = 21
_LOADER_THREADS = 1_000_000


@dataclass(frozen=True)
class Extrapolation:
    """One run.

    Attributes:
        seconds: in all; the first of them, while the consumers find out how many calls pay, are
            not looked at.
    """

    name: str
    layout: Layout
    per_second: float
    seconds: float
    first: float

    def inputs(self, tables: Tables) -> dict[str, Any]:
        """All that the run depends on: while it is the same, so is what comes of it."""
        return {
            "perSecond": self.per_second,
            "seconds": self.seconds,
            "first": self.first,
            "layout": asdict(self.layout),
            "costs": {name: round(it, 9) for name, it in asdict(tables.cluster).items()},
            "waits": asdict(tables.waits),
        }


def extrapolations(planner: Planner) -> list[Extrapolation]:
    """Name all runs."""
    small, large = (planner.plan(rate).layout() for rate in RATES)
    capped = replace(small, uploads=EDITION_REPLICAS, replicas=EDITION_REPLICAS)
    return [
        Extrapolation("1,000/s", small, 1000.0, 8.0, 4.0),
        Extrapolation("1,000/s, offered 1,600/s", small, 1600.0, 8.0, 4.0),
        Extrapolation("five replicas of each function", capped, 400.0, 8.0, 4.0),
        Extrapolation("five replicas of each function, offered 600/s", capped, 600.0, 8.0, 4.0),
        Extrapolation("10,000/s", large, 10_000.0, 5.0, 3.5),
    ]


def simulate(run: Extrapolation, tables: Tables) -> dict[str, Any]:
    """Run one; give what came of it, and how busy the parts were."""
    machine = Machine(tables.cluster, tables.waits, run.layout)
    instants = at_random(run.per_second, run.seconds, _SEED)
    machine.begin(instants, _LOADER_THREADS)
    machine.env.run(run.first)
    kinds = _kinds(machine)
    before = {name: _busy(parts) for name, parts in kinds.items()}
    machine.env.run(run.seconds)
    passed = run.seconds - run.first
    images = [each for each in machine.finished if (each.finished or 0.0) >= run.first]
    took = [1000 * ((each.finished or 0.0) - each.sent) for each in images]
    busy = {
        name: round((_busy(parts) - before[name]) / passed / _cores(parts), 2)
        for name, parts in kinds.items()
    }
    return {
        "inputs": run.inputs(tables),
        "resultsPerSecond": round(len(images) / passed, 1),
        "p50": round(percentile(took, 50), 1),
        "p99": round(percentile(took, 99), 1),
        "refused": machine.uploads.refused,
        "waiting": machine.waiting,
        "busy": dict(sorted(busy.items(), key=lambda each: -each[1])),
    }


def _kinds(machine: Machine) -> dict[str, Sequence[Part]]:
    stack = machine.stack
    return {
        "Nginx": stack.gateways,
        "gateway of the functions": stack.providers,
        "image-upload": machine.uploads.parts,
        "image-classifier": [each.part for each in machine.replicas.ready],
        "image-process-consumer": [each.part for each in machine.consumers],
        "S3": stack.stores,
        "Kafka": stack.brokers,
        "Redis": [stack.redis],
    }


def _busy(parts: Sequence[Part]) -> float:
    return sum(part.busy_seconds for part in parts)


def _cores(parts: Sequence[Part]) -> int:
    return sum(part.width or 0 for part in parts)
