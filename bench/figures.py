"""Arithmetic on what was measured: percentiles, rates, ratios."""

from __future__ import annotations

import math
from collections.abc import Sequence

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
