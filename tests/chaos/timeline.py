"""When work was done: recoveries and stalls, out of ledger and evidence; pure functions."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import pairwise

from tests.chaos.ledger import Entry
from tests.chaos.traces import Evidence


def percentile(values: Sequence[float], percent: float) -> float:
    """Pick the smallest value that so many percent are not above (nearest rank)."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(len(ordered) * percent / 100) - 1)]


def after(instants: Sequence[float], at: float) -> float:
    """Tell how long after `at` the first of some sorted instants is; infinite if none is."""
    place = bisect_right(instants, at)
    return instants[place] - at if place < len(instants) else math.inf


def longest_gap(instants: Iterable[float], begin: float, end: float) -> float:
    """Tell the longest time without an instant between begin and end."""
    inside = sorted(instant for instant in instants if begin <= instant <= end)
    return max(later - earlier for earlier, later in pairwise([begin, *inside, end]))


def results(evidence: Evidence) -> list[float]:
    """When result events were written, sorted."""
    return sorted(event.at for event in evidence.classified.values())


def results_by_partition(evidence: Evidence) -> dict[int, list[float]]:
    """When result events were written, by the partition that their images are on."""
    found: defaultdict[int, list[float]] = defaultdict(list)
    for event in evidence.classified.values():
        found[event.partition].append(event.at)
    return dict(found)


def inferred_after(evidence: Evidence, at: float) -> float:
    """Tell how long after `at` the first result is that was inferred after it."""
    fresh = {each.key for each in evidence.inferences if each.at > at}
    events = evidence.classified.values()
    keys = ((event.at, (event.tenant, event.image_id, event.model_id)) for event in events)
    return min((when - at for when, key in keys if when > at and key in fresh), default=math.inf)


def accepted_after(entries: Iterable[Entry], at: float) -> float:
    """Tell how long after `at` the first 202 came to a request that was sent after it."""
    answers = (it.answered_at for it in entries if it.is_accepted and it.sent_at > at)
    return min((answer - at for answer in answers if answer), default=math.inf)


def whole_way_after(entries: Iterable[Entry], evidence: Evidence, at: float) -> float:
    """Tell how long after `at` the first result is of a request that was sent after it."""
    jobs = (it.job_id for it in entries if it.job_id and it.sent_at > at)
    events = (evidence.classified.get(job) for job in jobs)
    return min((event.at - at for event in events if event), default=math.inf)
