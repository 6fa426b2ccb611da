"""How many calls are made at once: enough to keep all replicas busy, and no more than they take."""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass

from call_search import Search
from pipeline.telemetry import CALLS_ALLOWED

logger = logging.getLogger(__name__)

# Allowed from the start: enough for the replicas of a small machine. Fewer only after refusals.
USUAL = 8

# With this part of its calls a number counts as made use of: now and then one is late.
_FULL = 0.9
# An image takes so much less, or more, than before: there are other replicas.
_FASTER, _SLOWER = 0.7, 1.4
# What is left of the calls after one was refused.
_AFTER_REFUSAL = 0.75
# How long what was found is believed; twice as long each time, up to the longest.
_BELIEF_SECONDS, _LONGEST_BELIEF_SECONDS = 5.0, 80.0


@dataclass
class _Turn:
    """As many calls as are made at once, all begun with that number.

    Attributes:
        to_skip: turns that still meet the queue of another number.
    """

    to_skip: int
    calls: int = 0
    images: int = 0
    seconds: float = 0.0

    def add(self, images: int, seconds: float) -> None:
        self.calls += 1
        self.images += images
        self.seconds += seconds

    @property
    def image_seconds(self) -> float:
        return max(self.seconds, 1e-6) / self.images


class CallLimit:
    """Searches for the number of calls that does the most work; 429 says that it is too large.

    Calls at once ÷ the seconds that each of its images takes are the images a second, however many
    end together (Little's law). With few images nothing is told. All but `refused` is for the
    consumer's own thread.

    Args:
        most: never more than these.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self._usual = min(USUAL, most)
        self._held = self._usual  # what was found
        self._target = self._calls = self._held
        self._search: Search | None = None
        self._is_next_up = True
        self._due = 0.0
        self._belief_seconds = _BELIEF_SECONDS
        self._settled: float | None = None  # seconds of an image with what was found
        self._lock = threading.Lock()
        self._was_refused = False
        self._until_fewer = 0  # calls to be answered before a refusal counts again
        self._generation = 0
        self._turn = _Turn(to_skip=1)

    @property
    def calls(self) -> int:
        """How many may be under way."""
        return self._calls

    @property
    def is_searching(self) -> bool:
        """Whether numbers are compared, for which calls should be small and equal."""
        return self._search is not None

    def refused(self) -> None:
        """Say that a call was answered 429; from any thread."""
        with self._lock:
            self._was_refused = True

    def look(self, running: int, now: float) -> None:
        """Take note of what was refused, before others are begun beside those under way."""
        with self._lock:
            was_refused, self._was_refused = self._was_refused, False
        if not was_refused:
            return
        if self._until_fewer <= 0:
            self._make_fewer(now)
        # No other takes the place of the one that was refused before one is answered.
        self._calls = max(1, min(self._calls, running))

    def generation(self, running: int, now: float) -> int:
        """Name the calls begun until now at this number; asked when none more can begin."""
        if running < _FULL * self._calls:
            if self._search and running <= self._held // 2:
                self._hold(self._held)  # there is too little work to compare anything
            else:
                self._begin_turn(self._turn.to_skip)
        elif self._search is None and now >= self._due:
            self._begin_search()
        return self._generation

    def answered(self, generation: int, images: int, seconds: float, now: float) -> None:
        """Take the time of a call that was answered for all its images."""
        self._until_fewer -= 1
        if self._calls < self._target:
            # One more for each that ends, so that few are refused if there is no room.
            self._calls += 1
            self._begin_turn(0)
        elif generation == self._generation:
            self._turn.add(images, seconds)
            if self._turn.calls >= self._calls:
                self._end_turn(self._turn, now)

    def _end_turn(self, turn: _Turn, now: float) -> None:
        self._turn = _Turn(max(0, turn.to_skip - 1))
        if turn.to_skip:
            return
        if self._search is None:
            self._watch(turn.image_seconds, now)
        elif self._search.goes_on(self._calls / turn.image_seconds):
            self._go(self._search.calls)
        else:
            self._believe(self._search.kept, now)

    def _watch(self, image_seconds: float, now: float) -> None:
        """Search anew at once when an image takes another time than with what was found."""
        if self._settled is None:
            self._settled = image_seconds
        is_faster = image_seconds < _FASTER * self._settled
        if is_faster or image_seconds > _SLOWER * self._settled:
            self._settled, self._due = None, now
            self._is_next_up = is_faster
            self._belief_seconds = _BELIEF_SECONDS

    def _begin_search(self) -> None:
        for is_up in (self._is_next_up, not self._is_next_up):
            search = Search(self._held, self._usual, self.most, is_up=is_up)
            if search.has_next:
                self._search = search
                self._is_next_up = not is_up
                self._begin_turn(1)
                return

    def _believe(self, found: int, now: float) -> None:
        if found != self._held:
            logger.info("calls at once", extra={"from": self._held, "to": found})
        self._due = now + self._belief_seconds
        self._belief_seconds = min(2 * self._belief_seconds, _LONGEST_BELIEF_SECONDS)
        self._hold(found)

    def _hold(self, calls: int) -> None:
        self._held, self._search, self._settled = calls, None, None
        self._go(calls)

    def _go(self, calls: int) -> None:
        """Make fewer at once, more one by one."""
        self._target = calls
        self._calls = min(self._calls, calls)
        self._begin_turn(1)

    def _begin_turn(self, to_skip: int) -> None:
        self._generation += 1
        self._turn = _Turn(to_skip)
        CALLS_ALLOWED.set(self._calls)

    def _make_fewer(self, now: float) -> None:
        found = max(1, int(self._held * _AFTER_REFUSAL))
        if self._search and self._target > self._held:
            found = self._search.kept
        self._until_fewer = found
        self._believe(found, now)
        self._is_next_up = True
        if found < self._usual:
            # There is more room soon, when others have been answered.
            self._belief_seconds, self._due = _BELIEF_SECONDS, now + _BELIEF_SECONDS
