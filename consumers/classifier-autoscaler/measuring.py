"""How many images come in, and how long a replica takes for one, told from the topics alone."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

# Long enough for a rate, short enough for a burst.
_ARRIVALS_SECONDS = 2.5
_BUSY_SECONDS = 10.0
_SHORTEST_BUSY_SECONDS = 2.0
# Nothing finished for so long, and for some times what an image takes, is a standstill, which says
# nothing of what an image takes. The consumer makes calls of about four seconds at most.
_STANDSTILL_SECONDS = 6.0
_STANDSTILL_IMAGES = 3
# With so many waiting for each, no replica is without work.
_BUSY_IMAGES = 4
# How much a new measurement counts beside those before.
_WEIGHT = 0.5


@dataclass(frozen=True)
class Sample:
    """What was seen at one instant.

    Attributes:
        at: monotonic seconds.
        waiting: accepted images that are not finished, those in work included.
        finished: images finished since whenever; only how it grows matters.
        replicas: those that take requests.
    """

    at: float
    waiting: int
    finished: int
    replicas: int


class Meter:
    """Keeps the last seconds of samples and what they tell."""

    def __init__(self) -> None:
        self.service_seconds: float | None = None
        self._recent: deque[Sample] = deque()
        # Only where something had been finished: between two of these the work was done.
        self._busy: deque[Sample] = deque()

    def add(self, sample: Sample) -> None:
        """Take note of what is seen now."""
        before = self._recent[-1] if self._recent else None
        self._recent.append(sample)
        while sample.at - self._recent[0].at > _ARRIVALS_SECONDS:
            self._recent.popleft()
        if not _is_busy(sample) or (before and before.replicas != sample.replicas):
            self._busy.clear()
        elif before and sample.finished > before.finished:
            self._note_work(sample)

    def forget(self) -> None:
        """Begin anew after a gap; what one image takes stays known."""
        self._recent.clear()
        self._busy.clear()

    @property
    def arrivals_per_second(self) -> float:
        """Images accepted a second, lately."""
        if not self._recent:
            return 0.0
        first, last = self._recent[0], self._recent[-1]
        came = last.waiting + last.finished - first.waiting - first.finished
        return max(0, came) / (last.at - first.at) if last.at > first.at else 0.0

    def _note_work(self, sample: Sample) -> None:
        """While every replica has work the rate of finishing tells what one image takes.

        Whatever slows a replica down is in it: decoding, storing, other processes on its machine.
        """
        if self._busy and self._stood_still(sample.at - self._busy[-1].at):
            self._busy.clear()
        self._busy.append(sample)
        while len(self._busy) > 2 and sample.at - self._busy[0].at > _BUSY_SECONDS:
            self._busy.popleft()
        seconds = sample.at - self._busy[0].at
        if seconds < _SHORTEST_BUSY_SECONDS:
            return
        images = sample.finished - self._busy[0].finished
        measured = sample.replicas * seconds / images
        known = self.service_seconds
        self.service_seconds = measured if known is None else known + _WEIGHT * (measured - known)

    def _stood_still(self, seconds: float) -> bool:
        known = self.service_seconds
        return known is not None and seconds > max(_STANDSTILL_SECONDS, _STANDSTILL_IMAGES * known)


def _is_busy(sample: Sample) -> bool:
    return bool(sample.replicas) and sample.waiting >= _BUSY_IMAGES * sample.replicas
