"""The histogram of how long a function took to answer, by status."""

from __future__ import annotations

import bisect
import itertools
from dataclasses import dataclass, field

BOUNDS_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
BOUNDS_TEXT = [*map(str, BOUNDS_SECONDS), "+Inf"]


@dataclass
class Durations:
    """Answers of one status, by how long they took."""

    sum_seconds: float = 0.0
    counts: list[int] = field(default_factory=lambda: [0] * len(BOUNDS_TEXT))

    def add(self, seconds: float) -> None:
        self.sum_seconds += seconds
        self.counts[bisect.bisect_left(BOUNDS_SECONDS, seconds)] += 1

    def buckets(self) -> list[tuple[str, float]]:
        return [*zip(BOUNDS_TEXT, map(float, itertools.accumulate(self.counts)), strict=True)]


class Invocations:
    """The answers of one function; they are forgotten with it."""

    def __init__(self) -> None:
        self.by_code: dict[int, Durations] = {}

    def add(self, code: int, seconds: float) -> None:
        self.by_code.setdefault(code, Durations()).add(seconds)
