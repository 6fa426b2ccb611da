"""A topic with its consumer group, real or in memory, and members that note what they are told."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from confluent_kafka import Consumer, KafkaError, Message, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from pipeline.kafka.clients import connection
from pipeline.kafka.consumer import OnCommit, make_consumer
from tests.fakes_kafka import MemoryConsumer, MemoryKafka
from tests.stack import Stack, until

PARTITIONS = 4
SECONDS = 60.0


class Topic:
    """One topic of its own and a consumer group, in memory."""

    def __init__(self) -> None:
        self.name = f"contracts-{uuid.uuid4()}"
        self.kafka = MemoryKafka({self.name: PARTITIONS})

    def write(self, partition: int, *values: bytes) -> None:
        self.kafka.logs[self.name, partition] += [(b"key", value) for value in values]

    def join(self) -> Member:
        return Member(self, lambda on_commit: MemoryConsumer(self.kafka, on_commit))


class RealTopic(Topic):
    """The same on the real broker."""

    def __init__(self, stack: Stack) -> None:
        super().__init__()
        self.settings = replace(stack.settings, consumer_group=self.name)
        self._producer = Producer(connection(self.settings))
        admin = AdminClient(connection(self.settings))
        created = admin.create_topics([NewTopic(self.name, PARTITIONS, 1)])
        created[self.name].result(SECONDS)
        until(lambda: self._is_known(admin), SECONDS)

    def write(self, partition: int, *values: bytes) -> None:
        for value in values:
            self._producer.produce(self.name, value, b"key", partition)
        assert self._producer.flush(SECONDS) == 0

    def join(self) -> Member:
        return Member(self, lambda on_commit: make_consumer(self.settings, on_commit))

    def _is_known(self, admin: AdminClient) -> bool:
        """Whether the broker leads it: created, it may still call it unknown for a while."""
        told = admin.list_topics(self.name, SECONDS).topics[self.name]
        led = [each for each in told.partitions.values() if each.leader >= 0]
        return told.error is None and len(led) == PARTITIONS


class Member:
    """A consumer that notes what it is told."""

    def __init__(self, topic: Topic, make: Callable[[OnCommit], Consumer]) -> None:
        self.topic = topic
        self.commits: list[tuple[KafkaError | None, list[TopicPartition]]] = []
        self.owned: set[int] = set()
        self.told: list[str] = []
        self.leave: Callable[[list[TopicPartition]], object] = lambda partitions: None
        self.client = make(lambda error, offsets: self.commits.append((error, offsets)))
        self.client.subscribe([topic.name], on_assign=self._assigned, on_revoke=self._revoked)

    def _assigned(self, _: Any, partitions: list[TopicPartition]) -> None:
        self.told.append("assigned")
        self.owned |= {each.partition for each in partitions}

    def _revoked(self, _: Any, partitions: list[TopicPartition]) -> None:
        self.told.append("revoked")
        self.leave(partitions)
        self.owned -= {each.partition for each in partitions}

    def read(self, count: int) -> list[Message]:
        """Poll until so many messages have come."""
        messages: list[Message] = []

        def enough() -> bool:
            message = self.client.poll(0.1)
            if message is not None:
                assert message.error() is None, message.error()
                messages.append(message)
            return len(messages) >= count

        until(enough, SECONDS)
        return messages

    def poll_until(self, ask: Callable[[], bool]) -> None:
        """Poll until something is so; no message may come meanwhile."""

        def is_so() -> bool:
            assert self.client.poll(0.1) is None
            return ask()

        until(is_so, SECONDS)

    def rest(self, seconds: float = 1.0) -> list[Message]:
        """Poll for a while, as something that must not come never says so."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            message = self.client.poll(0.1)
            if message is not None:
                return [message]
        return []

    def places(self, *offsets: tuple[Any, ...]) -> list[TopicPartition]:
        return [TopicPartition(self.topic.name, *offset) for offset in offsets]
