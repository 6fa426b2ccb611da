"""Arithmetic on what was measured: percentiles, rates, ratios, reversals."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from itertools import pairwise

# The middle of a run: neither its first batch, for which nothing was ready, nor its last one.
_MIDDLE = (10, 90)


def percentile(values: Sequence[float], percent: float) -> float:
    """Pick the value that so many percent of all are not above (nearest rank).

    Raises:
        ValueError: there are no values, or percent is not in (0, 100].
    """
    if not values or not 0 < percent <= 100:
        raise ValueError(f"no {percent}th percentile of {len(values)} values")
    return sorted(values)[math.ceil(percent / 100 * len(values)) - 1]


def milliseconds(seconds: Sequence[float]) -> dict[str, float]:
    """Sum up durations: how many, p50, p95, p99 and the longest, in milliseconds."""
    shares = {"p50": 50, "p95": 95, "p99": 99, "max": 100}
    found = {name: round(percentile(seconds, share) * 1000, 1) for name, share in shares.items()}
    return {"count": len(seconds), **found}


def middle_rate(instants: Sequence[float]) -> float:
    """Tell how many a second there were between the first and the last tenth.

    Raises:
        ValueError: they are too few, or all at one instant.
    """
    ordered = sorted(instants)
    first, last = (len(ordered) * percent // 100 for percent in _MIDDLE)
    last = min(last, len(ordered) - 1)
    if last <= first or ordered[last] == ordered[first]:
        raise ValueError(f"no rate of {len(ordered)} instants")
    return (last - first) / (ordered[last] - ordered[first])


def median(values: Sequence[float]) -> float:
    """Pick the middle one, or the mean of the two.

    Raises:
        ValueError: there are no values.
    """
    return float(statistics.median(values))


def ratios(ours: Sequence[float], theirs: Sequence[float]) -> list[float]:
    """Divide what was measured in the same round.

    Raises:
        ValueError: there are more of one than of the other, or a divisor is 0.
    """
    if not all(theirs):
        raise ValueError("a round measured 0 of what is compared with")
    return [one / other for one, other in zip(ours, theirs, strict=True)]


def rate_of_tenth(instants: Sequence[float], tenth: int) -> float:
    """Tell how many a second there were in one tenth of a run, 0 the first, 9 the last.

    Raises:
        ValueError: they are too few, or all at one instant.
    """
    ordered, size = sorted(instants), len(instants) // 10
    part = ordered[tenth * size : (tenth + 1) * size]
    if len(part) < 2 or part[0] == part[-1]:
        raise ValueError(f"no rate of a tenth of {len(ordered)} instants")
    return (len(part) - 1) / (part[-1] - part[0])


def reversals(counts: Sequence[int]) -> int:
    """Count how often something that rose or fell then went the other way."""
    steps = [after - before for before, after in pairwise(counts) if after != before]
    return sum((one > 0) != (other > 0) for one, other in pairwise(steps))
