"""Which calls are read and made, and what happens to them when partitions come and go."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Executor, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from typing import Any

from confluent_kafka import Consumer, Message, TopicPartition

from invocation import Unreachable
from pipeline.consuming.commits import Commits, places_of
from pipeline.consuming.membership import Membership
from pipeline.consuming.progress import CAREFUL_FROM, Assignment
from pipeline.consuming.retries import LARGEST_JITTER
from pipeline.consuming.window import Window
from pipeline.errors import Unavailable
from pipeline.events.calls import FunctionCalled
from pipeline.kafka import broker, topics
from pipeline.kafka.topics import Partition
from pipeline.settings import Settings
from pipeline.telemetry import ASSIGNED_PARTITIONS, CALLS_IN_FLIGHT
from processing import CallProcessor
from queued import Queue, Queued, origin_of, read

logger = logging.getLogger(__name__)

# A message ends the wait at once; the end of a call does where more waits for its turn.
_POLL_SECONDS = 0.5
_BUSY_POLL_SECONDS = 0.02
# How long a rebalance waits for the calls in flight, so that less is done twice.
_REVOKE_SECONDS = 2.0
_DRAIN_SECONDS = 25.0
# The main loop is stuck when it has not gone round for this long.
_STUCK_SECONDS = 30.0
# How long a call rests after a dependency did not answer; and all of them when none can be made.
_REST_SECONDS = 0.5
# Read ahead of the commit, of each partition: what other functions' calls are found behind those
# of a slow one, and what a kill may have made twice at most.
_EVENTS_AHEAD = 256
_READ_AT_ONCE = 32
# Of messages that were read and wait; beyond that nothing is fetched.
_MOST_HELD_BYTES = 32 * 1024 * 1024

MakeConsumer = Callable[[Settings, broker.OnCommit], Consumer]


@dataclass(frozen=True)
class _Running:
    queued: Queued
    left: Future[FunctionCalled | None]
    dropped: set[Partition] = field(default_factory=set)


class CallsConsumer:
    """Reads calls, makes some at once, commits the longest finished prefix.

    Args:
        key: what our calls are signed with.
        make_consumer: makes the Kafka client.
        pool: makes the calls; threads of its own when None.
    """

    def __init__(
        self,
        settings: Settings,
        processor: CallProcessor,
        membership: Membership,
        key: str,
        make_consumer: MakeConsumer = broker.make_consumer,
        pool: Executor | None = None,
    ) -> None:
        self._most = settings.async_calls_in_flight
        self._max_attempts = settings.max_attempts
        self._longest_wait_seconds = settings.retry_max_seconds * LARGEST_JITTER
        self._processor = processor
        self._membership = membership
        self._key = key
        self._window = Window(_EVENTS_AHEAD)
        # The last attempt is made alone, so that it is known whose it was.
        careful_from = max(1, min(CAREFUL_FROM, settings.max_attempts - 1))
        self._assignment = Assignment(_EVENTS_AHEAD + _READ_AT_ONCE, careful_from)
        self._commits = Commits(self._assignment)
        self.client = make_consumer(settings, self._commits.answered)
        self._queue = Queue(max(1, self._most // 2))
        self._pool = pool or ThreadPoolExecutor(self._most, thread_name_prefix="call")
        self._running: list[_Running] = []
        self._rests_until = 0.0
        self._stopping = False
        self._last_round = time.monotonic()

    def why_unhealthy(self) -> str | None:
        """Tell why calls are not made, or None."""
        if time.monotonic() - self._last_round >= _STUCK_SECONDS:
            return "the main loop is stuck"
        if not len(self._assignment):
            return "not consuming: no partition is assigned"
        return None

    def stop(self) -> None:
        """Ask `run` to finish what it began and return."""
        self._stopping = True

    def run(self) -> None:
        """Consume until stopped.

        Raises:
            CutOff: only another process can go on; nothing is closed, as that would never end.
        """
        self.subscribe()
        try:
            while not self._stopping:
                self.go_round()
            self._wait(_DRAIN_SECONDS)
            self._hand_over(self._assignment.places())
        finally:
            self._pool.shutdown(wait=False, cancel_futures=True)
            if not self._membership.is_cut_off:
                self.client.close()

    def subscribe(self) -> None:
        """Join the group."""
        self.client.subscribe(
            [topics.CALLS.name, topics.CALLS_RETRY.name],
            on_assign=self._assigned,
            on_revoke=self._revoked,
            on_lost=self._lost,
        )

    def go_round(self) -> None:
        """Read, start, collect and commit what there is to be."""
        self._last_round = time.monotonic()
        self._membership.check()
        is_heavy = self._queue.held_bytes > _MOST_HELD_BYTES
        self._window.respect(self.client, self._assignment, is_heavy=is_heavy)
        self._read()
        self._start()
        self._collect()
        self._commits.now_and_then(self.client)

    def _read(self) -> None:
        is_busy = self._assignment.open_offsets()
        seconds = _BUSY_POLL_SECONDS if is_busy else self._commits.pause(_POLL_SECONDS)
        if len(self._queue) and self._running:
            wait([each.left for each in self._running], seconds, FIRST_COMPLETED)
            seconds = 0.0
        first = self.client.poll(seconds)
        if first is None:
            return
        self._take_in(first)
        for message in self.client.consume(_READ_AT_ONCE - 1, timeout=0):
            self._take_in(message)

    def _take_in(self, message: Message) -> None:
        if (error := message.error()) is not None:
            logger.warning("kafka reports", extra={"reason": error.str()})
            return
        origin = origin_of(message)
        progress = self._assignment.get((origin.topic, origin.partition))
        if progress is None:
            return  # fetched before its partition was taken away
        again = progress.read(origin.offset)
        self._queue.add(
            read(
                message.value() or b"",
                origin,
                self._key,
                again=again,
                died=progress.died(origin.offset),
                max_attempts=self._max_attempts,
                longest_wait_seconds=self._longest_wait_seconds,
            )
        )

    def _start(self) -> None:
        """Make as many calls as there is room for; one alone where a consumer keeps dying."""
        while len(self._running) < self._most:
            now = time.monotonic()
            alone = self._assignment.needs_care or self._queue.has_one_alone(now)
            if now < self._rests_until or (alone and self._running):
                break
            queued = self._queue.take(now, alone=alone)
            if queued is None:
                break
            self._begin(queued, alone=alone)
            left = self._pool.submit(self._processor.process, queued)
            self._running.append(_Running(queued, left))
            if alone:
                break
        CALLS_IN_FLIGHT.set(len(self._running))

    def _begin(self, queued: Queued, *, alone: bool) -> None:
        """Say in the commits that work begins, so that a kill in the middle is counted."""
        progress = self._assignment.get(queued.place)
        is_oldest = progress is not None and progress.begin(queued.origin.offset, alone=alone)
        # Waited for if it was begun before: what kills at once would not be counted.
        if alone or (is_oldest and queued.again):
            self._commits.and_wait(self.client)
        elif is_oldest:
            self._commits.soon(self.client)

    def _collect(self) -> None:
        for running in [each for each in self._running if each.left.done()]:
            self._running.remove(running)
            queued = running.queued
            self._queue.release(queued)
            try:
                left = running.left.result()
            except Unreachable as error:
                self._rests_until = time.monotonic() + _REST_SECONDS
                self._put_off(running, queued.call, error)
            except Unavailable as error:
                self._put_off(running, queued.call, error)
            except Exception as bug:
                # Neither committed, nor the end of a process that would only meet it again.
                logger.exception("call failed", extra={"origin": str(queued.origin)})
                self._put_off(running, queued.call, bug)
            else:
                if left is not None:
                    self._put_off(running, left, Unavailable("a dependency does not answer"))
                elif progress := self._assignment.get(queued.place):
                    progress.finish(queued.origin.offset)

    def _put_off(self, running: _Running, left: FunctionCalled | None, why: Exception) -> None:
        queued = running.queued
        logger.warning("waiting", extra={"origin": str(queued.origin), "reason": str(why)})
        if queued.place not in running.dropped:
            self._queue.add(queued.later(time.monotonic() + _REST_SECONDS, left))

    def _wait(self, seconds: float) -> None:
        wait([each.left for each in self._running], seconds)

    def _assigned(self, _: Any, partitions: list[TopicPartition]) -> None:
        self._membership.join(self.client.memberid())
        places = places_of(partitions)
        self._assignment.add(*self._commits.read(self.client, places))
        self._window.open(places)
        self._report("partitions assigned", partitions)

    def _revoked(self, _: Any, partitions: list[TopicPartition]) -> None:
        self._wait(_REVOKE_SECONDS)
        self._hand_over(places_of(partitions))
        self._forget(partitions)
        self._report("partitions revoked", partitions)

    def _lost(self, _: Any, partitions: list[TopicPartition]) -> None:
        self._membership.lose()
        self._forget(partitions)
        self._report("partitions lost", partitions)

    def _hand_over(self, places: set[Partition]) -> None:
        self._collect()
        self._assignment.give_up(places)
        self._commits.and_wait(self.client)

    def _forget(self, partitions: list[TopicPartition]) -> None:
        places = places_of(partitions)
        self._assignment.remove(places)
        self._window.close(places)
        self._queue.drop(places)
        for running in self._running:
            running.dropped.update(places)

    def _report(self, message: str, partitions: list[TopicPartition]) -> None:
        ASSIGNED_PARTITIONS.set(len(self._assignment))
        names = sorted(f"{topic}/{number}" for topic, number in places_of(partitions))
        logger.info(message, extra={"partitions": names})
