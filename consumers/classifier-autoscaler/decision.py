"""How many replicas are wanted, and when a backlog will be gone; no clocks, no clients here."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass

# A need that is this little above a whole number is not worth another replica, and one this little
# below is no reason to give one up: between the two nothing changes.
_SLACK = 0.1


@dataclass(frozen=True)
class Load:
    """What is to be done.

    Attributes:
        service_seconds: of one replica for one image.
    """

    arrivals_per_second: float
    waiting: int
    service_seconds: float

    def need(self, drain_seconds: float) -> float:
        """Tell how many replicas keep up with what comes and clear what waits in this time."""
        rate = self.arrivals_per_second + self.waiting / drain_seconds
        # No more can be at work than there are images; this also ends the belief in a service time
        # that was measured in bad times.
        return min(rate * self.service_seconds, float(self.waiting))

    def clear_seconds(self, replicas: int) -> float | None:
        """Tell when nothing will be waiting if this goes on; None: never."""
        if not self.waiting:
            return 0.0
        spare = replicas / self.service_seconds - self.arrivals_per_second
        return self.waiting / spare if spare > 0 else None


@dataclass(frozen=True)
class Bounds:
    """From `least` to `most` replicas."""

    least: int
    most: int

    def clamp(self, replicas: int) -> int:
        """Take the nearest allowed number."""
        return min(self.most, max(self.least, replicas))

    def within(self, most: int | None) -> Bounds:
        """Take no more than this, too, where there is such a number."""
        return self if most is None else Bounds(min(self.least, most), min(self.most, most))


class Decision:
    """Scales up at once; down when less was enough for a whole cool-down, to the most needed in it.

    Args:
        drain_seconds: in what time a backlog is to be cleared.
    """

    def __init__(self, drain_seconds: float, cool_down_seconds: float) -> None:
        self._drain_seconds = drain_seconds
        self._cool_down_seconds = cool_down_seconds
        self._enough: deque[tuple[float, int]] = deque()  # when, and how many were enough
        self._began: float | None = None

    def wanted(self, now: float, load: Load, current: int, bounds: Bounds) -> int:
        """Choose how many replicas there should be.

        Args:
            now: monotonic seconds.
            current: how many there should be as yet.
        """
        self._began = now if self._began is None else self._began
        need = load.need(self._drain_seconds)
        up, enough = self.needed(load), math.ceil(need + _SLACK)
        # Of needs that fell and rose within the cool-down the largest counts.
        self._enough.append((now, max(up, min(enough, current))))
        while now - self._enough[0][0] > self._cool_down_seconds:
            self._enough.popleft()
        most = max(enough for _, enough in self._enough)
        is_early = now - self._began < self._cool_down_seconds
        return bounds.clamp(max(most, current) if is_early else most)

    def needed(self, load: Load) -> int:
        """Tell how many replicas a load needs, whatever is allowed."""
        return max(0, math.ceil(load.need(self._drain_seconds) - _SLACK))

    def forget(self) -> None:
        """Begin anew after a gap; nothing is given up before another cool-down."""
        self._enough.clear()
        self._began = None
