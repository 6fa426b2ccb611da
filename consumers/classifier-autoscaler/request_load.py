"""How many replicas one function's requests need, told from counts; no clocks, no clients here."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass

from rules import RPS, Rule

# Long enough for a rate, short enough for a burst.
_LATELY_SECONDS = 5.0
# Until then nothing is known of a rate.
_SHORTEST_SECONDS = 2.0


@dataclass(frozen=True)
class Requests:
    """What was counted of a function at one instant.

    Attributes:
        at: monotonic seconds.
        started: requests since whenever; only how it grows matters.
        in_flight: requests that are not answered yet.
    """

    at: float
    started: float
    in_flight: float


class RequestLoad:
    """Keeps the last seconds of one function, and what was needed in the last cool-down.

    Up as soon as more are needed, by no more than the rule's step each time that all of a rate is
    new; down to the most that was needed in a whole cool-down.
    """

    def __init__(self, cool_down_seconds: float) -> None:
        self._cool_down_seconds = cool_down_seconds
        self._recent: deque[Requests] = deque()
        self._needed: deque[tuple[float, int]] = deque()
        self._began: float | None = None
        self._active_at: float | None = None
        self._stepped_at = -math.inf

    def forget(self) -> None:
        """Begin anew after a gap; nothing is given up before another cool-down."""
        self._recent.clear()
        self._needed.clear()
        self._began = self._active_at = None

    def wanted(self, now: Requests, rule: Rule, current: int) -> int:
        """Choose how many replicas there should be.

        Args:
            current: how many there should be as yet.
        """
        self._add(now)
        if self._began is None:
            self._began = now.at
        if self._is_idle(now, rule):
            return 0
        if not rule.kind:
            return current
        needed = self._needed_now(rule)
        if needed > current and rule.step:
            needed = self._after_step(now.at, needed, current, rule.step)
        self._needed.append((now.at, needed))
        while now.at - self._needed[0][0] > self._cool_down_seconds:
            self._needed.popleft()
        most = max(each for _, each in self._needed)
        is_early = now.at - self._began < self._cool_down_seconds
        if not current and not needed:
            return 0  # the next request wakes it
        return rule.bounds.clamp(max(most, current) if is_early else most)

    def _add(self, now: Requests) -> None:
        before = self._recent[-1] if self._recent else None
        if before and now.started < before.started:
            self._recent.clear()  # whoever counts has begun anew
        if before is None or now.started != before.started or now.in_flight:
            self._active_at = now.at
        self._recent.append(now)
        while now.at - self._recent[0].at > _LATELY_SECONDS:
            self._recent.popleft()

    def _is_idle(self, now: Requests, rule: Rule) -> bool:
        if rule.idle_seconds is None or self._active_at is None:
            return False
        return now.at - self._active_at >= rule.idle_seconds

    def _needed_now(self, rule: Rule) -> int:
        first, last = self._recent[0], self._recent[-1]
        if last.at - first.at < _SHORTEST_SECONDS:
            return 0
        if rule.kind == RPS:
            load = (last.started - first.started) / (last.at - first.at)
        else:
            load = sum(each.in_flight for each in self._recent) / len(self._recent)
        return math.ceil(load / rule.per_replica)

    def _after_step(self, at: float, needed: int, current: int, step: int) -> int:
        if at - self._stepped_at < _LATELY_SECONDS:
            return current
        self._stepped_at = at
        return min(needed, current + step)
