"""Reading a topic from its beginning to where it ends now."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from confluent_kafka import Consumer, KafkaError, TopicPartition

from pipeline.kafka.clients import connection
from pipeline.kafka.topics import ACCEPTED
from tests.stack import Stack

_TIMEOUT_SECONDS = 60.0


@dataclass(frozen=True)
class Record:
    """One message."""

    key: str
    value: bytes

    @property
    def event(self) -> dict[str, Any]:
        """The CloudEvent in it."""
        event: dict[str, Any] = json.loads(self.value)
        return event


def read_topic(stack: Stack, topic: str) -> list[Record]:
    """Read all that a topic holds."""
    with _reader(stack) as consumer:
        return [
            record
            for partition in _partitions(consumer, topic)
            for record in _read_partition(consumer, partition)
        ]


def count_events(stack: Stack, topic: str) -> int:
    """Count what a topic holds, reading none of it."""
    with _reader(stack) as consumer:
        marks = [_watermarks(consumer, partition) for partition in _partitions(consumer, topic)]
    return sum(end - first for first, end in marks)


def events_of(stack: Stack, topic: str, image: str) -> list[dict[str, Any]]:
    """Read the events of one image."""
    return [record.event for record in read_topic(stack, topic) if record.key == image]


def read_accepted(stack: Stack) -> list[Record]:
    """Read what was accepted, whichever lane it is in."""
    return [record for topic in ACCEPTED for record in read_topic(stack, topic.name)]


def count_accepted(stack: Stack) -> int:
    """Count what was accepted, reading none of it."""
    return sum(count_events(stack, topic.name) for topic in ACCEPTED)


def accepted_events_of(stack: Stack, image: str) -> list[dict[str, Any]]:
    """Read the events with which an image was accepted."""
    return [record.event for record in read_accepted(stack) if record.key == image]


@contextmanager
def _reader(stack: Stack) -> Iterator[Consumer]:
    consumer = Consumer(
        {
            **connection(stack.settings),
            "group.id": "tests",
            "fetch.wait.max.ms": 10,
            # Else closing would wait for a commit, also where Kafka was killed a moment ago.
            "enable.auto.commit": False,
            # As the consumer does.
            "isolation.level": "read_uncommitted",
            # The last offset may be the mark of a transaction's end, which is no message.
            "enable.partition.eof": True,
        }
    )
    try:
        yield consumer
    finally:
        consumer.close()


def _partitions(consumer: Consumer, topic: str) -> list[TopicPartition]:
    return [
        TopicPartition(topic, each)
        for each in consumer.list_topics(topic, timeout=_TIMEOUT_SECONDS).topics[topic].partitions
    ]


def _watermarks(consumer: Consumer, partition: TopicPartition) -> tuple[int, int]:
    first, end = consumer.get_watermark_offsets(partition, timeout=_TIMEOUT_SECONDS)
    return first, end


def _read_partition(consumer: Consumer, partition: TopicPartition) -> list[Record]:
    first, end = _watermarks(consumer, partition)
    records: list[Record] = []
    if end == first:
        return records
    consumer.assign([TopicPartition(partition.topic, partition.partition, first)])
    while True:
        message = consumer.poll(_TIMEOUT_SECONDS)
        assert message is not None, f"{partition} came to no end"
        if (error := message.error()) is not None:
            assert error.code() == KafkaError._PARTITION_EOF, error
            return records
        if (message.offset() or 0) < end:
            key, value = message.key() or b"", message.value() or b""
            records.append(Record(key.decode(errors="replace"), value))
        if (message.offset() or 0) >= end - 1:
            return records
