"""When events are read and when their offsets are committed."""

from __future__ import annotations

import logging
import os
import signal
import time
from typing import Any, cast

from confluent_kafka import KafkaError, KafkaException, Message, TopicPartition

from deliveries import Pending, read
from health import serve
from invoke import ClassifierClient
from pipeline import crashes, telemetry, topics
from pipeline.broker import Publisher, make_consumer
from pipeline.cache import ResultCache
from pipeline.events import Origin
from pipeline.results import Results
from pipeline.settings import Settings
from pipeline.storage import ObjectStore
from process import LARGEST_JITTER, Processor, RetryPolicy
from progress import Assignment, Place
from workers import Workers

logger = logging.getLogger(__name__)

# A message ends the wait at once; the end of a batch does not, so that is looked for often.
_POLL_SECONDS = 0.25
_BUSY_POLL_SECONDS = 0.02
# Each commit is a write of the broker's: one for many images, and little to repeat after a kill.
_COMMIT_SECONDS = 0.2
# How long a rebalance waits for the batches in flight, so that less is done twice.
_REVOKE_SECONDS = 2.0
_DRAIN_SECONDS = 30.0
# The main loop is stuck when it has not gone round for this long.
_STUCK_SECONDS = 30.0
# How many batches are read ahead of those being worked on.
_BATCHES_AHEAD = 2


class ImageProcessConsumer:
    """Reads events, has them processed in batches, commits the longest finished prefix."""

    def __init__(self, settings: Settings, processor: Processor) -> None:
        self._consumer = make_consumer(settings, self._note_commit)
        self._pending = Pending()
        self._assignment = Assignment()
        self._batch_size = settings.batch_size
        self._workers = Workers(
            processor, self._pending, settings.batches_in_flight, settings.batch_size
        )
        # How far a partition is read beyond its commit: bounds memory, and what a restart repeats.
        self._window = settings.batch_size * (settings.batches_in_flight + _BATCHES_AHEAD)
        self._longest_wait_seconds = settings.retry_max_seconds * LARGEST_JITTER
        self._paused: set[Place] = set()
        self._stopping = False
        self._last_round = time.monotonic()
        self._committed_at = 0.0

    def is_healthy(self) -> bool:
        """Tell whether the main loop goes round and owns partitions."""
        fresh = time.monotonic() - self._last_round < _STUCK_SECONDS
        return fresh and len(self._assignment) > 0

    def stop(self) -> None:
        """Ask `run` to finish what it began and return."""
        self._stopping = True

    def run(self) -> None:
        """Consume until stopped."""
        self._consumer.subscribe(
            [topics.UPLOADS.name, topics.RETRY.name],
            on_assign=self._assigned,
            on_revoke=self._revoked,
            on_lost=self._lost,
        )
        try:
            while not self._stopping:
                self._round()
            self._workers.wait(_DRAIN_SECONDS)
            self._collect()
            self._commit_and_wait()
        finally:
            self._workers.close()
            self._consumer.close()

    def _round(self) -> None:
        self._last_round = time.monotonic()
        self._respect_window()
        self._read()
        self._workers.start()
        self._collect()
        self._commit()

    def _respect_window(self) -> None:
        """Stop fetching where the window is full; polling goes on, as the group demands.

        Each partition has its own, so that retries waiting for their time hold no upload back.
        """
        full = self._assignment.places_with(self._window)
        if full != self._paused:
            self._consumer.pause(_partitions(full - self._paused))
            self._consumer.resume(_partitions(self._paused - full))
            self._paused = full

    def _read(self) -> None:
        busy = self._assignment.open_offsets() > 0
        first = self._consumer.poll(_BUSY_POLL_SECONDS if busy else _POLL_SECONDS)
        if first is None:
            return
        # And what else is there already, without waiting: one image alone is not held up.
        for message in (first, *self._consumer.consume(self._batch_size - 1, timeout=0)):
            self._take_in(message)
        crashes.point("consumer.polled")

    def _take_in(self, message: Message) -> None:
        error = message.error()
        if error is not None:
            logger.warning("kafka reports", extra={"reason": error.str()})
            return
        # The client's types allow None, which only a message with an error carries.
        origin = Origin(
            cast(str, message.topic()),
            cast(int, message.partition()),
            cast(int, message.offset()),
        )
        progress = self._assignment.get((origin.topic, origin.partition))
        if progress is None:
            return  # fetched before its partition was taken away
        # A predecessor has not worked further ahead of its commit than the window and one read.
        again = progress.read(origin.offset) < self._window + self._batch_size
        self._pending.add(
            read(
                message.value() or b"",
                origin,
                redelivered=again,
                longest_wait_seconds=self._longest_wait_seconds,
            )
        )

    def _collect(self) -> None:
        for delivery in self._workers.finished():
            progress = self._assignment.get((delivery.origin.topic, delivery.origin.partition))
            if progress:
                progress.finish(delivery.origin.offset)

    def _commit(self) -> None:
        """Commit without waiting; noted as done until the broker says otherwise."""
        now = time.monotonic()
        if now - self._committed_at < _COMMIT_SECONDS:
            return
        positions = self._assignment.to_commit()
        if positions:
            self._committed_at = now
            self._note(positions)
            self._consumer.commit(offsets=_offsets(positions), asynchronous=True)
            crashes.point("consumer.committed")

    def _commit_and_wait(self) -> None:
        positions = self._assignment.to_commit()
        if not positions:
            return
        try:
            self._consumer.commit(offsets=_offsets(positions), asynchronous=False)
        except KafkaException as error:
            logger.warning("commit failed", extra={"reason": str(error)})
        else:
            self._note(positions)

    def _note(self, positions: dict[Place, int]) -> None:
        for place, position in positions.items():
            progress = self._assignment.get(place)
            if progress:
                progress.note_committed(position)

    def _note_commit(self, error: KafkaError | None, offsets: list[TopicPartition]) -> None:
        if error is None:
            return
        logger.warning("commit failed", extra={"reason": error.str()})
        for place in _places(offsets):
            progress = self._assignment.get(place)
            if progress:
                progress.note_committed(None)

    def _assigned(self, _: Any, partitions: list[TopicPartition]) -> None:
        self._assignment.add(_places(partitions))
        self._paused -= _places(partitions)  # a new partition is not paused
        self._report("partitions assigned", partitions)

    def _revoked(self, _: Any, partitions: list[TopicPartition]) -> None:
        crashes.point("consumer.rebalancing")
        self._workers.wait(_REVOKE_SECONDS)
        self._collect()
        self._commit_and_wait()
        self._forget(partitions)
        self._report("partitions revoked", partitions)

    def _lost(self, _: Any, partitions: list[TopicPartition]) -> None:
        self._forget(partitions)
        self._report("partitions lost", partitions)

    def _forget(self, partitions: list[TopicPartition]) -> None:
        places = _places(partitions)
        self._assignment.remove(places)
        self._paused -= places
        self._pending.drop(places)

    def _report(self, message: str, partitions: list[TopicPartition]) -> None:
        telemetry.ASSIGNED_PARTITIONS.set(len(self._assignment))
        names = sorted(f"{topic}/{number}" for topic, number in _places(partitions))
        logger.info(message, extra={"partitions": names})


def _places(partitions: list[TopicPartition]) -> set[Place]:
    return {(partition.topic, partition.partition) for partition in partitions}


def _partitions(places: set[Place]) -> list[TopicPartition]:
    return [TopicPartition(*place) for place in places]


def _offsets(positions: dict[Place, int]) -> list[TopicPartition]:
    return [TopicPartition(*place, position) for place, position in positions.items()]


def main() -> None:
    """Run until SIGTERM."""
    settings = Settings.from_env(os.environ)
    telemetry.configure("image-process-consumer", settings.log_level)
    crashes.configure(settings.crash_dir)
    publisher = Publisher(settings)
    processor = Processor(
        ClassifierClient(settings),
        publisher,
        Results(ObjectStore(settings), ResultCache(settings)),
        RetryPolicy(settings.max_attempts, settings.retry_base_seconds, settings.retry_max_seconds),
    )
    consumer = ImageProcessConsumer(settings, processor)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: consumer.stop())
    serve("127.0.0.1", settings.consumer_port, consumer.is_healthy)
    consumer.run()
    publisher.close()


if __name__ == "__main__":
    main()
