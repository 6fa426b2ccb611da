"""Which events are read, and what happens to them when partitions come and go."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from concurrent.futures import Executor
from typing import Any

from confluent_kafka import Consumer, Message, TopicPartition

from call_limit import CallLimit
from circuit_breaker import Breaker
from deliveries import Delivery, Pending, origin_of, read
from pipeline import telemetry
from pipeline.consuming.commits import Commits, places_of
from pipeline.consuming.membership import Membership
from pipeline.consuming.progress import CAREFUL_FROM, Assignment
from pipeline.consuming.retries import LARGEST_JITTER
from pipeline.consuming.window import Window
from pipeline.hooks import crashes
from pipeline.kafka import broker, topics
from pipeline.kafka.topics import Partition
from pipeline.settings import Settings
from process import Processor
from workers import Workers

logger = logging.getLogger(__name__)

# A message ends the wait at once; the end of a batch does where more waits for its turn.
_POLL_SECONDS = 0.5
_BUSY_POLL_SECONDS = 0.02
# How long a rebalance waits for the batches in flight, so that less is done twice.
_REVOKE_SECONDS = 2.0
_DRAIN_SECONDS = 30.0
# The main loop is stuck when it has not gone round for this long.
_STUCK_SECONDS = 30.0
# How many batches of the largest size are read beyond the commit, of each partition. However many
# calls are made at once: it is how far a crash may have to be looked for.
_BATCHES_AHEAD = 16

MakeConsumer = Callable[[Settings, broker.OnCommit], Consumer]


class ImageProcessConsumer:
    """Reads events, has them processed in batches, commits the longest finished prefix.

    Args:
        limit: how many batches at once.
        make_consumer: makes the Kafka client.
        pool: runs the batches; threads of its own when None.
    """

    def __init__(
        self,
        settings: Settings,
        processor: Processor,
        breaker: Breaker,
        membership: Membership,
        limit: CallLimit,
        make_consumer: MakeConsumer = broker.make_consumer,
        pool: Executor | None = None,
    ) -> None:
        self._batch_size = settings.batch_size
        ahead = self._batch_size * _BATCHES_AHEAD
        self._window = Window(ahead)
        # The last attempt is made alone, so that it is known whose it was.
        careful_from = max(1, min(CAREFUL_FROM, settings.max_attempts - 1))
        # A predecessor has not worked further ahead of its commit than the window and one read.
        self._assignment = Assignment(ahead + self._batch_size, careful_from)
        self._commits = Commits(self._assignment)
        self._consumer = make_consumer(settings, self._commits.answered)
        self._pending = Pending()
        size, most = self._batch_size, settings.max_attempts
        self._workers = Workers(processor, self._pending, limit, size, pool, most)
        self._breaker = breaker
        self._membership = membership
        self._max_attempts = settings.max_attempts
        self._longest_wait_seconds = settings.retry_max_seconds * LARGEST_JITTER
        self._stopping = False
        self._last_round = time.monotonic()

    def why_unhealthy(self) -> str | None:
        """Tell why events are not worked off, or None."""
        if time.monotonic() - self._last_round >= _STUCK_SECONDS:
            return "the main loop is stuck"
        if not len(self._assignment):
            return "not consuming: no partition is assigned"
        return self._breaker.why_open()

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
            self._workers.wait(_DRAIN_SECONDS)
            self._hand_over(self._assignment.places())
        finally:
            self._workers.close()
            if not self._membership.is_cut_off:
                self._consumer.close()

    def subscribe(self) -> None:
        """Join the group."""
        self._consumer.subscribe(
            [topics.UPLOADS.name, topics.RETRY.name],
            on_assign=self._assigned,
            on_revoke=self._revoked,
            on_lost=self._lost,
        )

    def go_round(self) -> None:
        """Read, start, collect and commit what there is to be."""
        self._last_round = time.monotonic()
        self._membership.check()
        self._window.respect(self._consumer, self._assignment)
        self._read()
        if not self._breaker.is_resting():
            self._workers.start(self._begin, alone=self._is_careful())
        self._collect()
        self._commits.now_and_then(self._consumer)

    def _is_careful(self) -> bool:
        return self._assignment.needs_care or self._breaker.why_open() is not None

    def _read(self) -> None:
        is_busy = self._assignment.open_offsets()
        seconds = _BUSY_POLL_SECONDS if is_busy else self._commits.pause(_POLL_SECONDS)
        if self._pending and self._workers.wait_for_one(seconds):
            seconds = 0.0
        first = self._consumer.poll(seconds)
        if first is None:
            return
        # And what else is there already, without waiting: one image alone is not held up.
        for message in (first, *self._consumer.consume(self._batch_size - 1, timeout=0)):
            self._take_in(message)
        crashes.point("consumer.polled")

    def _take_in(self, message: Message) -> None:
        if (error := message.error()) is not None:
            logger.warning("kafka reports", extra={"reason": error.str()})
            return
        origin = origin_of(message)
        progress = self._assignment.get((origin.topic, origin.partition))
        if progress is None:
            return  # fetched before its partition was taken away
        again = progress.read(origin.offset)
        self._pending.add(
            read(
                message.value() or b"",
                origin,
                redelivered=again,
                died=progress.died(origin.offset),
                max_attempts=self._max_attempts,
                longest_wait_seconds=self._longest_wait_seconds,
            )
        )

    def _begin(self, batch: list[Delivery], alone: bool) -> None:
        """Say in the commits that work begins, so that a kill in the middle is counted."""
        oldest: list[Delivery] = []
        for delivery in batch:
            progress = self._assignment.get(delivery.place)
            if progress and progress.begin(delivery.origin.offset, alone=alone):
                oldest.append(delivery)
        # Waited for if it may have been begun before: what kills at once would not be counted.
        if alone or any(each.event and each.event.redelivered for each in oldest):
            self._commits.and_wait(self._consumer)
        elif oldest:
            self._commits.soon(self._consumer)

    def _collect(self) -> None:
        for delivery in self._workers.finished():
            if progress := self._assignment.get(delivery.place):
                progress.finish(delivery.origin.offset)

    def _assigned(self, _: Any, partitions: list[TopicPartition]) -> None:
        self._membership.join(self._consumer.memberid())
        places = places_of(partitions)
        self._assignment.add(*self._commits.read(self._consumer, places))
        self._window.open(places)
        self._report("partitions assigned", partitions)

    def _revoked(self, _: Any, partitions: list[TopicPartition]) -> None:
        crashes.point("consumer.rebalancing")
        self._workers.wait(_REVOKE_SECONDS)
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
        self._commits.and_wait(self._consumer)

    def _forget(self, partitions: list[TopicPartition]) -> None:
        places = places_of(partitions)
        self._assignment.remove(places)
        self._window.close(places)
        self._workers.drop(places)

    def _report(self, message: str, partitions: list[TopicPartition]) -> None:
        telemetry.ASSIGNED_PARTITIONS.set(len(self._assignment))
        names = sorted(f"{topic}/{number}" for topic, number in places_of(partitions))
        logger.info(message, extra={"partitions": names})
