"""How many accepted images are waiting: from the consumer's commits to the topics' ends."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

from confluent_kafka import ConsumerGroupTopicPartitions, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec

from pipeline import topics
from pipeline.errors import Unavailable
from pipeline.settings import Settings

logger = logging.getLogger(__name__)

PARTITIONS = tuple(
    TopicPartition(topic.name, number)
    for topic in (topics.UPLOADS, topics.RETRY)
    for number in range(topic.partitions)
)

_FIRST: OffsetSpec = OffsetSpec.earliest()  # type: ignore[no-untyped-call]
_END: OffsetSpec = OffsetSpec.latest()  # type: ignore[no-untyped-call]


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
    """Asks Kafka how far the consumer group has come; three requests a reading."""

    def __init__(self, settings: Settings) -> None:
        self._timeout_seconds = settings.produce_timeout_seconds
        self._group = settings.consumer_group
        self._servers = settings.kafka_bootstrap_servers
        self._client = self._connect()

    def read(self) -> Reading:
        """Read all partitions.

        Raises:
            Unavailable: Kafka did not say it of every partition.
        """
        try:
            return self._read()
        except (KafkaException, TimeoutError) as error:
            # librdkafka never asks a coordinator again that was killed and came back.
            self._client = self._connect()
            raise Unavailable("Kafka does not say how far the consumer group is") from error

    def _read(self) -> Reading:
        asked = ConsumerGroupTopicPartitions(self._group, list(PARTITIONS))
        # Positions first: an event that comes in meanwhile is counted, none is missed.
        positions = self._client.list_consumer_group_offsets(
            [asked], request_timeout=self._timeout_seconds
        )
        committed = positions[self._group].result(self._timeout_seconds).topic_partitions
        firsts, ends = self._offsets(_FIRST), self._offsets(_END)
        return reading(_by_place(committed), self._known(firsts), self._known(ends))

    def _offsets(self, spec: OffsetSpec) -> Mapping[TopicPartition, Future[Any]]:
        asked = {partition: spec for partition in PARTITIONS}
        futures: Mapping[TopicPartition, Future[Any]] = self._client.list_offsets(
            asked, request_timeout=self._timeout_seconds
        )
        return futures

    def _known(self, futures: Mapping[TopicPartition, Future[Any]]) -> dict[tuple[str, int], int]:
        return {
            (partition.topic, partition.partition): future.result(self._timeout_seconds).offset
            for partition, future in futures.items()
        }

    def _connect(self) -> AdminClient:
        return AdminClient({"bootstrap.servers": self._servers}, logger=logger)


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
        KafkaException: of a partition that Kafka knows nothing of now.
    """
    for partition in partitions:
        if partition.error:
            raise KafkaException(partition.error)
    return {(each.topic, each.partition): each.offset for each in partitions}
