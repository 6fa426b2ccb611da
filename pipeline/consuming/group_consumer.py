"""One consumer of a group: what it reads, begins and commits as partitions come and go."""

from __future__ import annotations

import logging
import os
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from typing import Any, cast

from confluent_kafka import Consumer, Message, TopicPartition

from pipeline import telemetry
from pipeline.consuming.commits import Commits, places_of
from pipeline.consuming.endings import Endings
from pipeline.consuming.member_file import MemberFile
from pipeline.consuming.membership import CutOff, Membership
from pipeline.consuming.progress import CAREFUL_FROM, Assignment, Mark
from pipeline.consuming.window import Window
from pipeline.events.cloudevents import Origin
from pipeline.hooks import crashes
from pipeline.kafka.consumer import OnCommit
from pipeline.kafka.publisher import Publisher
from pipeline.kafka.topics import Partition
from pipeline.settings import Settings
from pipeline.timeouts.defaults import LARGEST_JITTER

logger = logging.getLogger(__name__)

# A message ends the wait at once; the end of work does where more waits for its turn.
_POLL_SECONDS = 0.5
_BUSY_POLL_SECONDS = 0.02
# So soon a message is seen where more waits for its turn: it may go before all of that.
_LOOK_SECONDS = 0.005
# Before the next whole round, which costs some ten times as much.
_LOOKS = 4
# How long a rebalance waits for the work in flight, so that less is done twice.
_REVOKE_SECONDS = 2.0
# The main loop is stuck when it has not gone round for this long.
_STUCK_SECONDS = 30.0

MakeConsumer = Callable[[Settings, OnCommit], Consumer]


class GroupConsumer(ABC):
    """Reads topics and commits the longest finished prefix; what messages mean is its heirs'.

    Args:
        topics: names of those that are read.
        ahead: messages of a partition that are read beyond its commit.
        at_once: messages that are read in one go.
        drain_seconds: how long the end waits for the work in flight.
        make_consumer: makes the Kafka client.
    """

    def __init__(
        self,
        settings: Settings,
        membership: Membership,
        topics: list[str],
        *,
        ahead: int,
        at_once: int,
        drain_seconds: float,
        make_consumer: MakeConsumer,
    ) -> None:
        self._topics = topics
        self._at_once = at_once
        self._drain_seconds = drain_seconds
        self._membership = membership
        self._window = Window(ahead)
        # The last attempt is made alone, so that it is known whose it was.
        careful_from = max(1, min(CAREFUL_FROM, settings.max_attempts - 1))
        # A predecessor has not worked further ahead of its commit than the window and one read.
        self._assignment = Assignment(ahead + at_once, careful_from)
        self._commits = Commits(self._assignment)
        self._client = make_consumer(settings, self._commits.answered)
        self._max_attempts = settings.max_attempts
        self._longest_wait_seconds = settings.retry_max_seconds * LARGEST_JITTER
        self._endings = Endings()
        self._is_more_there = False
        self._stopping = False
        self._last_round = time.monotonic()

    @abstractmethod
    def _queue(self, raw: bytes, origin: Origin, *, again: bool, died: Mark) -> None:
        """Take in what was read.

        Args:
            again: a consumer before may have begun it.
            died: how often a consumer died while it worked on this.
        """

    @abstractmethod
    def _start(self) -> None:
        """Begin with what waits, as far as there is room; say so by `_begin`."""

    @abstractmethod
    def _collect(self) -> None:
        """Take the work that has ended; `_finish` what is done."""

    @abstractmethod
    def _is_held_up(self) -> bool:
        """Tell whether something waits for the room of work in flight."""

    @abstractmethod
    def _wait(self, seconds: float) -> None:
        """Wait for the work in flight."""

    @abstractmethod
    def _drop(self, places: set[Partition]) -> None:
        """Forget what is of partitions that were taken away."""

    @abstractmethod
    def _close(self) -> None:
        """Start nothing more."""

    def _is_heavy(self) -> bool:
        """Tell whether what was read takes as much memory as it may."""
        return False

    def why_unhealthy(self) -> str | None:
        """Tell why nothing is worked off, or None."""
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
            self._wait(self._drain_seconds)
            self._hand_over(self._assignment.places())
        finally:
            self._close()
            if not self._membership.is_cut_off:
                self._client.close()

    def subscribe(self) -> None:
        """Join the group."""
        self._client.subscribe(
            self._topics,
            on_assign=self._assigned,
            on_revoke=self._revoked,
            on_lost=self._lost,
        )

    def go_round(self) -> None:
        """Read, collect, start and commit what there is to be."""
        self._last_round = time.monotonic()
        self._membership.check()
        self._window.respect(self._client, self._assignment, is_heavy=self._is_heavy())
        self._read()
        # What has ended makes room at once.
        self._endings.forget()
        self._collect()
        self._start()
        self._commits.now_and_then(self._client)

    def _read(self) -> None:
        first = self._first()
        if first is None:
            self._is_more_there = False
            return
        # And what else is there already, without waiting: one message alone is not held up.
        more = self._client.consume(self._at_once - 1, timeout=0)
        self._is_more_there = len(more) == self._at_once - 1 > 0
        for message in (first, *more):
            self._take_in(message)
        crashes.point("consumer.polled")

    def _first(self) -> Message | None:
        """Wait for a message; where it matters, for the end of work as well."""
        # What is urgent may be behind what is not: the queue is emptied, as far as it is read.
        if self._is_more_there:
            return self._client.poll(0.0)
        if not self._is_held_up():
            is_busy = self._assignment.open_offsets()
            seconds = _BUSY_POLL_SECONDS if is_busy else self._commits.pause(_POLL_SECONDS)
            return self._client.poll(seconds)
        for _ in range(_LOOKS):
            has_ended = self._endings.wait(_LOOK_SECONDS)
            first = self._client.poll(0.0)
            if first is not None or has_ended:
                return first
        return None

    def _take_in(self, message: Message) -> None:
        if (error := message.error()) is not None:
            logger.warning("kafka reports", extra={"reason": error.str()})
            return
        origin = _origin_of(message)
        progress = self._assignment.get(_place_of(origin))
        if progress is None:
            return  # fetched before its partition was taken away
        again = progress.read(origin.offset)
        died = progress.died(origin.offset)
        self._queue(message.value() or b"", origin, again=again, died=died)

    def _begin(self, messages: Iterable[tuple[Origin, bool]], *, alone: bool) -> None:
        """Say in the commits that work begins, so that a kill in the middle is counted.

        Args:
            messages: each with whether it may have been begun before.
        """
        oldest: list[bool] = []
        for origin, again in messages:
            progress = self._assignment.get(_place_of(origin))
            if progress and progress.begin(origin.offset, alone=alone):
                oldest.append(again)
        # Waited for if it may have been begun before: what kills at once would not be counted.
        if alone or any(oldest):
            self._commits.and_wait(self._client)
        elif oldest:
            self._commits.soon(self._client)

    def _finish(self, origin: Origin) -> None:
        if progress := self._assignment.get(_place_of(origin)):
            progress.finish(origin.offset)

    def _assigned(self, _: Any, partitions: list[TopicPartition]) -> None:
        self._membership.join(self._client.memberid())
        places = places_of(partitions)
        self._assignment.add(*self._commits.read(self._client, places))
        self._window.open(places)
        self._report("partitions assigned", partitions)

    def _revoked(self, _: Any, partitions: list[TopicPartition]) -> None:
        crashes.point("consumer.rebalancing")
        self._wait(_REVOKE_SECONDS)
        self._hand_over(places_of(partitions))
        self._forget(partitions)
        self._report("partitions revoked", partitions)

    def _lost(self, _: Any, partitions: list[TopicPartition]) -> None:
        self._membership.lose(self._client.memberid())
        self._forget(partitions)
        self._report("partitions lost", partitions)

    def _hand_over(self, places: set[Partition]) -> None:
        self._collect()
        self._assignment.give_up(places)
        self._commits.and_wait(self._client)

    def _forget(self, partitions: list[TopicPartition]) -> None:
        places = places_of(partitions)
        self._assignment.remove(places)
        self._window.close(places)
        self._drop(places)

    def _report(self, message: str, partitions: list[TopicPartition]) -> None:
        telemetry.ASSIGNED_PARTITIONS.set(len(self._assignment))
        names = sorted(f"{topic}/{number}" for topic, number in places_of(partitions))
        logger.info(message, extra={"partitions": names})


def run_to_its_end(consumer: GroupConsumer, member_file: MemberFile, publisher: Publisher) -> None:
    """Run a consumer until it is stopped; end the process where only another can go on."""
    try:
        consumer.run()
    except CutOff as error:
        logger.error("cut off", extra={"reason": str(error)})
        publisher.close()
        os._exit(1)
    member_file.leave()
    publisher.close()


def _origin_of(message: Message) -> Origin:
    """Tell where a message was read; one with an error has no place."""
    # The client's types allow None, which only a message with an error carries.
    return Origin(
        cast(str, message.topic()), cast(int, message.partition()), cast(int, message.offset())
    )


def _place_of(origin: Origin) -> Partition:
    return origin.topic, origin.partition
