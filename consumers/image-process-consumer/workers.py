"""The batches being worked on, a bounded number at once."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Iterator, Set
from concurrent.futures import Executor, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field, replace

from call_limit import CallLimit
from deliveries import Delivery
from outcomes import internal
from pending import Pending
from pipeline.consuming.endings import Endings
from pipeline.kafka.topics import Partition
from pipeline.telemetry import EVENTS_IN_FLIGHT
from process import Processor

logger = logging.getLogger(__name__)

# How long a delivery rests after a dependency did not answer.
_REST_SECONDS = 0.5
# A call is made no larger than what is likely answered in this time, its wait for a replica
# included: far below the timeout, however slow the model.
_CALL_SECONDS = 4.0
# Few images are shared out among replicas, but a call is worth some.
_FEW_IMAGES = 4
# While one tries how many calls pay they are equal and soon over.
_SEARCHING_IMAGES = 8
# All calls together hold no more images than so many of the largest: many calls are small ones.
_BATCHES = 16
# Beside all that are allowed, for urgent images: none waits for a call of others to end.
EXPRESS_CALLS = 2
_EXPRESS_IMAGES = 8
# How much the last call counts beside those before.
_WEIGHT = 0.3


@dataclass
class _Running:
    batch: list[Delivery]
    alone: bool
    is_express: bool
    unfinished: Future[list[Delivery]]
    began: float
    dropped: set[Partition] = field(default_factory=set)
    generation: int | None = None


class Workers:
    """Takes batches from the pending deliveries, works them off in threads.

    Args:
        limit: how many batches at once.
        endings: told when each ends.
        size: the most images of one.
        pool: runs the batches; threads of its own, one for each that may be allowed, when None.
        most_bugs: how often a bug may be met over one message before it fails untried.
        clock: monotonic seconds; the machine's when None.
    """

    def __init__(
        self,
        processor: Processor,
        pending: Pending,
        limit: CallLimit,
        endings: Endings,
        size: int,
        pool: Executor | None = None,
        most_bugs: int = 5,
        clock: Callable[[], float] | None = None,
    ) -> None:
        self._processor = processor
        self._pending = pending
        self._limit = limit
        self._endings = endings
        self._size = size
        self._most_bugs = most_bugs
        # Looked up at each call: state machines put a clock of theirs in the place of `time`.
        self._clock = clock or (lambda: time.monotonic())
        self._pool = pool or ThreadPoolExecutor(
            limit.most + EXPRESS_CALLS, thread_name_prefix="batch"
        )
        self._running: list[_Running] = []
        self._image_seconds: float | None = None  # of a call for each of its images

    def start(self, begin: Callable[[list[Delivery], bool], None], *, alone: bool) -> None:
        """Start as many batches as there is room for; a single image makes a batch too.

        Args:
            begin: told each batch, and whether it is alone, before work on it begins.
            alone: work on one image at a time.
        """
        self._limit.look(self._usual_calls, self._clock())
        while self._has_room:
            now = self._clock()
            alone = alone or self._pending.has_one_alone(now)
            if self._running and (alone or self._running[0].alone):
                break
            is_express = not self._has_usual_room
            batch = self._pending.take_alone(now) if alone else self._take(now, is_express)
            if not batch:
                break
            begin(batch, alone)
            future = self._pool.submit(self._processor.process, batch)
            self._endings.watch(future)
            self._running.append(_Running(batch, alone, is_express, future, now))
        generation = self._limit.generation(self._usual_calls, self._clock())
        for running in self._running:
            if running.generation is None and not running.is_express:
                running.generation = generation
        EVENTS_IN_FLIGHT.set(sum(len(running.batch) for running in self._running))

    @property
    def _usual_calls(self) -> int:
        return sum(not running.is_express for running in self._running)

    @property
    def _has_usual_room(self) -> bool:
        return self._usual_calls < self._limit.calls

    @property
    def _has_room(self) -> bool:
        if self._has_usual_room:
            return True
        express = len(self._running) - self._usual_calls
        is_held_up = not all(running.batch[0].is_urgent for running in self._running)
        return is_held_up and express < EXPRESS_CALLS and self._pending.count(is_urgent=True) > 0

    def _take(self, now: float, is_express: bool) -> list[Delivery]:
        if is_express:
            return self._pending.take(min(_EXPRESS_IMAGES, self._size), now, is_urgent=True)
        for is_urgent in self._pending.kinds():
            most = self._most(self._pending.count(is_urgent=is_urgent))
            if batch := self._pending.take(most, now, is_urgent=is_urgent):
                return batch
        return []

    def finished(self) -> Iterator[Delivery]:
        """Yield what has become of the batches that ended; the rest goes back to wait."""
        for running in [running for running in self._running if running.unfinished.done()]:
            self._running.remove(running)
            self._note_time(running)
            self._pending.release(running.batch)
            unfinished, bug = self._unfinished(running)
            again = {id(delivery) for delivery in unfinished}
            if not unfinished:
                self._tell(running)
            due = self._clock() + _REST_SECONDS
            for delivery in running.batch:
                if id(delivery) not in again:
                    yield delivery
                elif delivery.place not in running.dropped:
                    later = delivery.later(due)
                    self._pending.add(self._after_bug(later, running, bug) if bug else later)

    def drop(self, places: Set[Partition]) -> None:
        """Forget what is of partitions that were taken away, and take nothing of it up again.

        A partition that comes back is read anew, and each event with what is known of it by then.
        """
        self._pending.drop(places)
        for running in self._running:
            running.dropped.update(places)

    def _most(self, waiting: int) -> int:
        """Tell how many images the next call may hold: all calls should be equally large."""
        calls = self._limit.calls
        share = math.ceil(waiting / (calls - self._usual_calls))
        together = _SEARCHING_IMAGES if self._limit.is_searching else _BATCHES * self._size // calls
        most = max(_FEW_IMAGES, min(share, together))
        if self._image_seconds is None:
            most = _FEW_IMAGES
        elif self._image_seconds:
            most = min(most, int(_CALL_SECONDS / self._image_seconds))
        return max(1, min(self._size, most))

    def _note_time(self, running: _Running) -> None:
        seconds = (self._clock() - running.began) / len(running.batch)
        known = self._image_seconds
        self._image_seconds = seconds if known is None else known + _WEIGHT * (seconds - known)

    def _tell(self, running: _Running) -> None:
        """Say how long a call took that was answered for all its images."""
        now, generation = self._clock(), running.generation
        if generation is not None:
            self._limit.answered(generation, len(running.batch), now - running.began, now)

    @property
    def is_busy(self) -> bool:
        """Whether any batch is worked on."""
        return bool(self._running)

    def wait(self, seconds: float) -> None:
        """Wait for the batches being worked on."""
        wait([running.unfinished for running in self._running], seconds)

    def close(self) -> None:
        """Start nothing more; a batch still being worked on is another consumer's to repeat."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _unfinished(self, running: _Running) -> tuple[list[Delivery], Exception | None]:
        try:
            return running.unfinished.result(), None
        except Exception as bug:
            # Nothing is known of the batch: it must neither be committed nor end the process, which
            # would only meet it again.
            logger.exception("batch failed", extra={"images": len(running.batch)})
            return running.batch, bug

    def _after_bug(self, delivery: Delivery, running: _Running, bug: Exception) -> Delivery:
        """Let it be worked on alone, so that it is known whose bug it is, and not for ever.

        At last it fails untried; and if that meets a bug, too, its bytes are buried.
        """
        bugs = delivery.bugs + (len(running.batch) == 1)
        event, problem = delivery.event, delivery.problem
        if bugs >= self._most_bugs:
            problem = internal(bug)
            event = replace(event, attempt=bugs) if event and bugs == self._most_bugs else None
        return replace(delivery, event=event, problem=problem, alone=True, bugs=bugs)
