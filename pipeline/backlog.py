"""How many accepted images are waiting: from the consumer's commits to the topics' ends."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass

from confluent_kafka import OFFSET_BEGINNING, OFFSET_END, Consumer, KafkaException, TopicPartition

from pipeline import topics
from pipeline.errors import Unavailable
from pipeline.settings import Settings

logger = logging.getLogger(__name__)

# Where partitions begin changes when days-old events expire.
_FIRSTS_SECONDS = 60.0

PARTITIONS = tuple(
    TopicPartition(topic.name, number)
    for topic in (topics.UPLOADS, topics.RETRY)
    for number in range(topic.partitions)
)


@dataclass(frozen=True)
class Reading:
    """What the topics said at one moment.

    Attributes:
        waiting: events that nobody has committed yet, those in work included.
        passed: the sum of all committed positions; how fast it grows is the rate of draining.
    """

    waiting: int
    passed: int


class BacklogProbe:
    """Asks Kafka how far the consumer group has come; two requests a reading."""

    def __init__(self, settings: Settings) -> None:
        self._firsts: dict[tuple[str, int], int] = {}
        self._firsts_until = 0.0
        self._timeout_seconds = settings.produce_timeout_seconds
        # A consumer that subscribes to nothing joins no group, and is told the group's positions
        # all the same. Not the admin client: librdkafka 2.16 takes the process with it when the
        # coordinator that it asks is one no more (confluent-kafka-javascript, issue 374).
        self._consumer = Consumer(
            {
                "bootstrap.servers": settings.kafka_bootstrap_servers,
                "group.id": settings.consumer_group,
                "enable.auto.commit": False,
            },
            logger=logger,
        )

    def read(self) -> Reading:
        """Read all partitions.

        Raises:
            Unavailable: Kafka did not say it of every partition.
        """
        try:
            # Positions first: an event that comes in meanwhile is counted, none is missed.
            committed = self._consumer.committed(list(PARTITIONS), self._timeout_seconds)
            firsts, ends = self._first_offsets(), self._offsets(OFFSET_END)
        except KafkaException as error:
            raise Unavailable("Kafka does not say how far the consumer group is") from error
        return reading(_by_place(committed), firsts, _by_place(ends))

    def _first_offsets(self) -> dict[tuple[str, int], int]:
        if time.monotonic() >= self._firsts_until:
            self._firsts = _by_place(self._offsets(OFFSET_BEGINNING))
            self._firsts_until = time.monotonic() + _FIRSTS_SECONDS
        return self._firsts

    def _offsets(self, which: int) -> list[TopicPartition]:
        # Kafka takes these two in the place of a time.
        asked = [TopicPartition(each.topic, each.partition, which) for each in PARTITIONS]
        return self._consumer.offsets_for_times(asked, self._timeout_seconds)


def reading(
    committed: Mapping[tuple[str, int], int],
    firsts: Mapping[tuple[str, int], int],
    ends: Mapping[tuple[str, int], int],
) -> Reading:
    """Add up the partitions; one without a commit, or expired past it, begins at its first event.

    Args:
        committed: positions by topic and partition; negative where nothing was committed.
    """
    positions = {place: max(committed.get(place, -1), first) for place, first in firsts.items()}
    waiting = sum(max(0, end - positions[place]) for place, end in ends.items())
    return Reading(waiting, sum(positions.values()))


def _by_place(partitions: list[TopicPartition]) -> dict[tuple[str, int], int]:
    """Take the offsets out of an answer.

    Raises:
        Unavailable: Kafka knows nothing of a partition now.
    """
    for partition in partitions:
        if partition.error:
            raise Unavailable(f"Kafka does not say how far a partition is: {partition.error.str()}")
    return {(each.topic, each.partition): each.offset for each in partitions}
