"""Kafka: how a consumer of the group is made."""

from __future__ import annotations

from collections.abc import Callable

from confluent_kafka import Consumer, KafkaError, TopicPartition

from pipeline.kafka import clients
from pipeline.kafka.topics import READ
from pipeline.settings import Settings
from pipeline.timeouts.defaults import HEARTBEAT_SECONDS, SESSION_SECONDS
from pipeline.timeouts.waits import poll_seconds

OnCommit = Callable[[KafkaError | None, list[TopicPartition]], None]

# Read ahead of all partitions together; librdkafka takes it of each.
_QUEUED_KILOBYTES = 49_152
_LEAST_QUEUED_KILOBYTES = 256
# How soon partitions that were added are read: librdkafka's default is 5 min.
_LOOK_MILLISECONDS = 10_000


def make_consumer(settings: Settings, on_commit: OnCommit) -> Consumer:
    """Make a consumer that starts at the earliest event and never commits by itself.

    Args:
        on_commit: told the outcome of every asynchronous commit, from within `poll`.
    """
    return clients.Consumer(
        settings,
        {
            "group.id": settings.consumer_group,
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
            "on_commit": on_commit,
            # Nothing here is written in transactions: one that does not end would hold up the rest.
            "isolation.level": "read_uncommitted",
            "enable.auto.offset.store": False,
            "partition.assignment.strategy": "cooperative-sticky",
            "session.timeout.ms": int(SESSION_SECONDS * 1000),
            "heartbeat.interval.ms": int(HEARTBEAT_SECONDS * 1000),
            "max.poll.interval.ms": int(poll_seconds(settings.classifier_call_seconds) * 1000),
            "socket.nagle.disable": True,
            "topic.metadata.refresh.interval.ms": _LOOK_MILLISECONDS,
            "queued.max.messages.kbytes": _queued_kilobytes(settings),
        },
    )


def _queued_kilobytes(settings: Settings) -> int:
    """What may wait of one partition; a consumer alone has all of every topic that is read."""
    partitions = len(READ) * settings.kafka_partitions
    return max(_QUEUED_KILOBYTES // partitions, _LEAST_QUEUED_KILOBYTES)
