"""How many images come in, and how long a replica takes for one, told from the topics alone."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

# Long enough to even out that events are committed by the batch, short enough for a burst.
_ARRIVALS_SECONDS = 3.0
_BUSY_SECONDS = 10.0
_SHORTEST_BUSY_SECONDS = 2.0
# With so many waiting for each, no replica is without work.
_BUSY_IMAGES = 4
# How much a new measurement counts beside those before.
_WEIGHT = 0.3


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
        self._busy: deque[Sample] = deque()

    def add(self, sample: Sample) -> None:
        """Take note of what is seen now."""
        self._recent.append(sample)
        while sample.at - self._recent[0].at > _ARRIVALS_SECONDS:
            self._recent.popleft()
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
        if self._busy and self._busy[-1].replicas != sample.replicas:
            self._busy.clear()
        if not sample.replicas or sample.waiting < _BUSY_IMAGES * sample.replicas:
            self._busy.clear()
            return
        self._busy.append(sample)
        while sample.at - self._busy[0].at > _BUSY_SECONDS:
            self._busy.popleft()
        first = self._busy[0]
        seconds, images = sample.at - first.at, sample.finished - first.finished
        if seconds < _SHORTEST_BUSY_SECONDS or images <= 0:
            return
        measured = sample.replicas * seconds / images
        known = self.service_seconds
        self.service_seconds = measured if known is None else known + _WEIGHT * (measured - known)
