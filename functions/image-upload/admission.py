"""Whether one more upload may come in: the backlog is bounded, and its figure is always at hand."""

from __future__ import annotations

import logging
import math
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from pipeline import telemetry
from pipeline.errors import Unavailable
from pipeline.kafka.backlog import BacklogProbe, Reading

logger = logging.getLogger(__name__)

_READ_EVERY_SECONDS = 2.0
# While nothing waits: what comes in is counted here until then.
_READ_AT_REST_EVERY_SECONDS = 10.0
# When the room runs out the figure is wanted fresh, but not for every single request.
_READ_AT_MOST_EVERY_SECONDS = 0.1
# As somebody wishes to know what is finished by now: cheaper than the least image.
_LOOK_AT_MOST_EVERY_SECONDS = 0.25
_RATE_OVER_SECONDS = 10.0
_LONGEST_RETRY_SECONDS = 60


class Admission:
    """Counts what is waiting: the last reading of the topics and what may not be part of it.

    Reading happens in a thread of its own, never while a request waits. While Kafka does not
    answer, the last reading stands: then an upload fails at its event anyway.

    Args:
        told: given every reading.
    """

    def __init__(
        self,
        probe: BacklogProbe,
        limit: int,
        clock: Callable[[], float] = time.monotonic,
        told: Callable[[Reading], None] = lambda _: None,
    ) -> None:
        self._probe = probe
        self._limit = limit
        self._clock = clock
        self._told = told
        self._read_at = -math.inf
        self._lock = threading.Lock()
        self._waiting = 0
        self._let_in = 0  # since the last reading, or not yet ended when it began
        self._ended = 0  # of these, published or given up
        self._readings: deque[tuple[float, int]] = deque()
        self._is_wanted = threading.Event()
        self._closing = threading.Event()

    def start(self) -> None:
        """Begin to read."""
        threading.Thread(target=self._keep_reading, name="backlog", daemon=True).start()

    def close(self) -> None:
        """Read no more."""
        self._closing.set()
        self._is_wanted.set()

    @contextmanager
    def one(self) -> Iterator[None]:
        """Let one more upload in; inside the block it becomes part of the backlog, or fails.

        Raises:
            Unavailable: the backlog is as large as it may be; says when room is expected.
        """
        if not self._limit:
            yield
            return
        self._take()
        try:
            yield
        finally:
            with self._lock:
                self._ended += 1

    def _take(self) -> None:
        with self._lock:
            found = self._waiting + self._let_in
            if found < self._limit:
                self._let_in += 1
            # Half of the room is used up, or all: look again before the next reading is due.
            if 2 * self._let_in > self._limit - self._waiting:
                self._is_wanted.set()
        if found >= self._limit:
            raise Unavailable(
                f"{found} images wait to be classified; new ones are taken below {self._limit}",
                code="backlog-full",
                found=found,
                allowed=self._limit,
                retry_after_seconds=self._retry_after_seconds(found),
            )

    def look_soon(self) -> None:
        """Have the backlog read before long, if that was not done a moment ago."""
        if self._clock() - self._read_at >= _LOOK_AT_MOST_EVERY_SECONDS:
            self._is_wanted.set()

    def read(self) -> None:
        """Read the backlog once; what had ended before is part of the reading."""
        self._read_at = self._clock()
        with self._lock:
            counted = self._ended
        try:
            reading = self._probe.read()
        except Unavailable as error:
            logger.warning("backlog not known", extra={"reason": str(error)})
            return
        telemetry.BACKLOG.set(reading.waiting)
        self._told(reading)
        with self._lock:
            self._waiting = reading.waiting
            self._let_in -= counted
            self._ended -= counted
            self._remember(reading)

    def _remember(self, reading: Reading) -> None:
        now = self._clock()
        self._readings.append((now, reading.passed))
        while now - self._readings[0][0] > _RATE_OVER_SECONDS:
            self._readings.popleft()

    def _retry_after_seconds(self, found: int) -> int:
        """Estimate when there is room for one more, from how fast the backlog drained lately."""
        with self._lock:
            if not self._readings:
                return _LONGEST_RETRY_SECONDS
            (began, first), (ended, last) = self._readings[0], self._readings[-1]
        if last <= first:
            return _LONGEST_RETRY_SECONDS
        seconds = (found - self._limit + 1) * (ended - began) / (last - first)
        return max(1, min(_LONGEST_RETRY_SECONDS, math.ceil(seconds)))

    def _keep_reading(self) -> None:
        while not self._closing.is_set():
            self._is_wanted.clear()
            self.read()
            self._closing.wait(_READ_AT_MOST_EVERY_SECONDS)
            self._is_wanted.wait(self._pause_seconds())

    def _pause_seconds(self) -> float:
        with self._lock:
            is_at_rest = not (self._waiting or self._let_in)
        return _READ_AT_REST_EVERY_SECONDS if is_at_rest else _READ_EVERY_SECONDS
