"""The backlog is told from where topics end and how far the consumer group is."""

from __future__ import annotations

import pytest
from confluent_kafka import OFFSET_END, Consumer, TopicPartition
from confluent_kafka.admin import ClusterMetadata, PartitionMetadata, TopicMetadata

from pipeline.errors import Unavailable
from pipeline.kafka import topics
from pipeline.kafka.backlog import BacklogProbe
from pipeline.settings import Settings

# Each of which has one partition that holds something.
READ = (topics.UPLOADS, topics.RETRY)


class Kafka(Consumer):
    """One partition's end and position, the same for all that are asked for; counts requests."""

    def __init__(self) -> None:
        self.end, self.reached, self.now = 5, 5, 0.0
        self.asked_for_positions = 0
        self.partitions, self.holds = 3, 1  # the first of them hold something

    def probe(self) -> BacklogProbe:
        return BacklogProbe(Settings(), lambda _: self, lambda: self.now, READ)

    def list_topics(self, topic: str | None = None, timeout: float = -1) -> ClusterMetadata:
        assert topic is not None
        told, cluster = TopicMetadata(), ClusterMetadata()
        told.partitions = {number: PartitionMetadata() for number in range(self.partitions)}
        cluster.topics = {topic: told}
        return cluster

    def offsets_for_times(
        self, partitions: list[TopicPartition], timeout: float = -1
    ) -> list[TopicPartition]:
        return [
            self._one(each, self.end if each.offset == OFFSET_END else 0) for each in partitions
        ]

    def committed(
        self, partitions: list[TopicPartition], timeout: float = -1
    ) -> list[TopicPartition]:
        self.asked_for_positions += 1
        return [self._one(each, self.reached) for each in partitions]

    def _one(self, asked: TopicPartition, offset: int) -> TopicPartition:
        return TopicPartition(
            asked.topic, asked.partition, offset if asked.partition < self.holds else 0
        )


def test_while_nothing_comes_and_nothing_waits_positions_are_not_asked_for() -> None:
    kafka = Kafka()
    probe = kafka.probe()

    readings = [probe.read() for _ in range(5)]

    assert {(each.waiting, each.passed) for each in readings} == {(0, 10)}  # of two topics
    assert kafka.asked_for_positions == 1


def test_what_comes_is_seen_at_once_and_until_it_is_done() -> None:
    kafka = Kafka()
    probe = kafka.probe()
    waiting = []
    for kafka.end, kafka.reached in ((5, 5), (7, 5), (7, 6), (7, 7), (7, 7)):
        waiting.append(probe.read().waiting)

    assert waiting == [0, 4, 2, 0, 0]
    assert kafka.asked_for_positions == 4


def test_positions_that_somebody_set_back_are_seen_after_a_while() -> None:
    kafka = Kafka()
    probe = kafka.probe()
    probe.read()

    kafka.reached, kafka.now = 2, 59.0
    assert probe.read().waiting == 0
    kafka.now = 60.0
    assert probe.read().waiting == 6


def test_a_reading_tells_how_far_each_partition_is_and_what_waits_in_each_topic() -> None:
    kafka = Kafka()
    kafka.end = 7

    found = kafka.probe().read()

    assert found.positions["image-uploads", 0] == 5
    assert found.waiting_in == {"image-uploads": 2, "image-uploads-retry": 2}


def test_what_was_worked_off_while_it_was_asked_about_does_not_wait() -> None:
    kafka = Kafka()
    kafka.reached = 6  # committed after the ends were told

    assert kafka.probe().read().waiting == 0


def test_partitions_that_are_added_are_counted_after_a_while() -> None:
    kafka = Kafka()
    kafka.end, kafka.partitions = 7, 0
    with pytest.raises(Unavailable):
        kafka.probe().read()
    kafka.partitions = 1
    probe = kafka.probe()
    assert probe.read().waiting == 4

    kafka.partitions, kafka.holds, kafka.now = 2, 2, 15.0

    assert probe.read().waiting == 8
