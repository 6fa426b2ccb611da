"""When offsets are committed, and what each commit says of crashes."""

from __future__ import annotations

import logging
import time
from collections.abc import Collection

from confluent_kafka import OFFSET_END, Consumer, KafkaError, KafkaException, TopicPartition

from pipeline.consuming.progress import Assignment, Mark
from pipeline.hooks import crashes
from pipeline.kafka.topics import Partition

logger = logging.getLogger(__name__)

# Each commit is a write of the broker's: one for many images, and little to repeat after a kill.
_EVERY_SECONDS = 0.2
_ANSWER_SECONDS = 5.0


class Commits:
    """Commits what an assignment has finished; used by the consumer's own thread alone."""

    def __init__(self, assignment: Assignment) -> None:
        self._assignment = assignment
        self._committed_at = 0.0

    def read(
        self, client: Consumer, places: Collection[Partition]
    ) -> tuple[dict[Partition, Mark], dict[Partition, int]]:
        """Ask what was committed of partitions and where they end now, as far as it is known."""
        return self._marks(client, places), self._ends(client, places)

    def _marks(self, client: Consumer, places: Collection[Partition]) -> dict[Partition, Mark]:
        """Where nobody answers, no crash is known of."""
        try:
            found = client.committed(partitions_at(places), timeout=_ANSWER_SECONDS)
        except KafkaException as error:
            logger.warning("committed offsets are not known", extra={"reason": str(error)})
            return {place: Mark(-1) for place in places}
        return {
            (each.topic, each.partition): Mark.from_committed(each.offset, each.metadata)
            for each in found
        }

    def _ends(self, client: Consumer, places: Collection[Partition]) -> dict[Partition, int]:
        asked = [TopicPartition(*place, OFFSET_END) for place in places]
        try:
            found = client.offsets_for_times(asked, timeout=_ANSWER_SECONDS)
        except KafkaException as error:
            logger.warning("the topics' ends are not known", extra={"reason": str(error)})
            return {}
        return {(each.topic, each.partition): each.offset for each in found if not each.error}

    def now_and_then(self, client: Consumer) -> None:
        """Commit without waiting for the answer, unless that was done a moment ago."""
        is_due = time.monotonic() - self._committed_at >= _EVERY_SECONDS
        if is_due and (marks := self._assignment.to_commit()):
            self._ask(client, marks)
            crashes.point("consumer.committed")

    def pause(self, seconds: float) -> float:
        """Shorten a pause when something is still to be committed."""
        return min(seconds, _EVERY_SECONDS) if self._assignment.to_commit() else seconds

    def soon(self, client: Consumer) -> None:
        """Commit without waiting for the answer, if there is something to commit."""
        if marks := self._assignment.to_commit():
            self._ask(client, marks)

    def and_wait(self, client: Consumer) -> None:
        """Commit and wait for the answer; what is refused is committed again later."""
        marks = self._assignment.to_commit()
        if not marks:
            return
        try:
            client.commit(offsets=_offsets(marks), asynchronous=False)
        except KafkaException as error:
            logger.warning("commit failed", extra={"reason": str(error)})
        else:
            self._note(marks)

    def answered(self, error: KafkaError | None, offsets: list[TopicPartition]) -> None:
        """Take the broker's answer to a commit that was not waited for."""
        if error is None:
            return
        logger.warning("commit failed", extra={"reason": error.str()})
        for each in offsets:
            progress = self._assignment.get((each.topic, each.partition))
            if progress:
                progress.note_committed(None)

    def _ask(self, client: Consumer, marks: dict[Partition, Mark]) -> None:
        """Ask for a commit; noted as done until the broker says otherwise."""
        self._committed_at = time.monotonic()
        self._note(marks)
        client.commit(offsets=_offsets(marks), asynchronous=True)

    def _note(self, marks: dict[Partition, Mark]) -> None:
        for place, mark in marks.items():
            progress = self._assignment.get(place)
            if progress:
                progress.note_committed(mark)


def places_of(partitions: Collection[TopicPartition]) -> set[Partition]:
    """Name the places of Kafka's partitions."""
    return {(partition.topic, partition.partition) for partition in partitions}


def partitions_at(places: Collection[Partition]) -> list[TopicPartition]:
    """Make Kafka's partitions of places."""
    return [TopicPartition(*place) for place in places]


def _offsets(marks: dict[Partition, Mark]) -> list[TopicPartition]:
    return [
        TopicPartition(*place, mark.offset, metadata=mark.metadata) for place, mark in marks.items()
    ]
