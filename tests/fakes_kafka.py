"""An in-memory Kafka: topics, one consumer group, and a stand-in for its consumers.

The cases in tests/integration/test_kafka_contracts.py run on it and on the real one.
"""

from __future__ import annotations

import zlib
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from confluent_kafka import (
    OFFSET_INVALID,
    Consumer,
    KafkaError,
    KafkaException,
    Message,
    TopicPartition,
)

from pipeline.kafka.publisher import Written

Partition = tuple[str, int]
OnCommit = Callable[[KafkaError | None, list[TopicPartition]], None]
OnRebalance = Callable[[Any, list[TopicPartition]], None]


class MemoryKafka:
    """Partitions as lists, and who of the group owns which of them.

    Attributes:
        committed: offset and metadata by partition.
        refuses_commits: makes the coordinator refuse.
    """

    def __init__(self, partitions: Mapping[str, int]) -> None:
        self.logs: dict[Partition, list[tuple[bytes, bytes]]] = {
            (topic, number): [] for topic, count in partitions.items() for number in range(count)
        }
        self.committed: dict[Partition, tuple[int, str]] = {}
        self.refuses_commits = False
        self.members: list[MemoryConsumer] = []
        self.owners: dict[Partition, MemoryConsumer] = {}

    def append(self, topic: str, key: bytes, value: bytes) -> Written:
        """Write a message where librdkafka's partitioner puts its key."""
        number = zlib.crc32(key) % sum(own == topic for own, _ in self.logs)
        self.logs[topic, number].append((key, value))
        return Written(number, len(self.logs[topic, number]) - 1)

    def expel(self, member: MemoryConsumer) -> None:
        """End a member's session; it learns of it when it polls again."""
        if member in self.members:
            self.members.remove(member)
        self.owners = {place: own for place, own in self.owners.items() if own is not member}

    def commit(self, member: MemoryConsumer, offsets: Sequence[TopicPartition]) -> None:
        """Take positions of a member; those of one that was expelled are refused."""
        if self.refuses_commits:
            raise _refusal(KafkaError.COORDINATOR_NOT_AVAILABLE)
        if member not in self.members:
            raise _refusal(KafkaError.UNKNOWN_MEMBER_ID)
        for each in offsets:
            self.committed[each.topic, each.partition] = (each.offset, each.metadata or "")

    def wanted(self) -> dict[Partition, MemoryConsumer]:
        """Choose who should own what: as it is now, and no member two more than another."""
        owners = {place: self.owners.get(place) for place in self._subscribed()}
        for place, owner in owners.items():
            if owner is None:
                owners[place] = self._least_loaded(owners)
        while self._is_uneven(owners):
            most = max(self.members, key=lambda member: _load(owners, member))
            moved = next(place for place, owner in owners.items() if owner is most)
            owners[moved] = self._least_loaded(owners)
        return {place: owner for place, owner in owners.items() if owner}

    def _subscribed(self) -> list[Partition]:
        topics = {topic for member in self.members for topic in member.topics}
        return [place for place in sorted(self.logs) if place[0] in topics]

    def _least_loaded(self, owners: Mapping[Partition, MemoryConsumer | None]) -> MemoryConsumer:
        return min(self.members, key=lambda member: _load(owners, member))

    def _is_uneven(self, owners: Mapping[Partition, MemoryConsumer | None]) -> bool:
        loads = [_load(owners, member) for member in self.members]
        return max(loads, default=0) - min(loads, default=0) > 1


class MemoryConsumer(Consumer):
    """What this project uses of a Kafka consumer, rebalanced cooperatively."""

    def __init__(self, kafka: MemoryKafka, on_commit: OnCommit) -> None:
        self.topics: list[str] = []
        self._kafka = kafka
        self._on_commit = on_commit
        self._on_assign: OnRebalance = _ignore
        self._on_revoke: OnRebalance = _ignore
        self._on_lost: OnRebalance = _ignore
        self.positions: dict[Partition, int] = {}
        self.held_back: set[Partition] = set()
        self._commits: deque[list[TopicPartition]] = deque()

    def subscribe(
        self,
        topics: list[str],
        on_assign: OnRebalance | None = None,
        on_revoke: OnRebalance | None = None,
        on_lost: OnRebalance | None = None,
    ) -> None:
        """Choose topics; the group is joined when polling."""
        self.topics = topics
        self._on_assign = on_assign or _ignore
        self._on_revoke = on_revoke or _ignore
        self._on_lost = on_lost or self._on_revoke

    def poll(self, timeout: float = -1) -> Message | None:
        """Join, rebalance, tell of commits, then give the next message, if there is one."""
        self._rebalance()
        self.land_commits()
        return self._next()

    def consume(self, num_messages: int = 1, timeout: float = -1) -> list[Message]:
        """Give as many messages as are there."""
        self.land_commits()
        messages = (self._next() for _ in range(num_messages))
        return [message for message in messages if message is not None]

    def pause(self, partitions: list[TopicPartition]) -> None:
        """Give nothing of these partitions, not even when they come back after a rebalance."""
        self.held_back |= set(_places(partitions))

    def resume(self, partitions: list[TopicPartition]) -> None:
        """Go on with these partitions where they were left."""
        self.held_back -= set(_places(partitions))

    def commit(
        self,
        *,
        message: Message | None = None,
        offsets: list[TopicPartition] | None = None,
        asynchronous: bool = True,
    ) -> Any:
        """Commit offsets at once, or be told of it while polling."""
        assert offsets is not None
        if asynchronous:
            self._commits.append(offsets)
            return None
        self.land_commits()
        self._kafka.commit(self, offsets)
        return offsets

    def committed(
        self, partitions: list[TopicPartition], timeout: float = -1
    ) -> list[TopicPartition]:
        """Read the committed positions and their metadata."""
        return [
            TopicPartition(*place, *self._kafka.committed.get(place, (OFFSET_INVALID,)))
            for place in _places(partitions)
        ]

    def offsets_for_times(
        self, partitions: list[TopicPartition], timeout: float = -1
    ) -> list[TopicPartition]:
        """Read where partitions end, which is all that is asked for."""
        return [
            TopicPartition(*place, len(self._kafka.logs[place])) for place in _places(partitions)
        ]

    def assignment(self) -> list[TopicPartition]:
        """Tell the partitions it owns."""
        return _partitions(self.positions)

    def memberid(self) -> str:
        """Tell the name that the group knows it by."""
        return f"memory-{id(self)}"

    def close(self) -> None:
        """Give the partitions back and leave the group."""
        self.land_commits()
        if self.positions:
            self._revoke(list(self.positions))
        self._kafka.expel(self)
        self.topics = []

    def land_commits(self) -> None:
        """Let the broker answer the asynchronous commits that are on their way."""
        while self._commits:
            offsets = self._commits.popleft()
            try:
                self._kafka.commit(self, offsets)
            except KafkaException as refused:
                self._on_commit(refused.args[0], offsets)
            else:
                self._on_commit(None, offsets)

    def _rebalance(self) -> None:
        if self not in self._kafka.members:
            self._rejoin()
        wanted = self._kafka.wanted()
        losing = [place for place in self.positions if wanted.get(place) is not self]
        if losing:
            self._revoke(losing)
        owners = self._kafka.owners
        gained = [place for place in wanted if wanted[place] is self and place not in owners]
        if gained:
            self._kafka.owners |= dict.fromkeys(gained, self)
            starts = {place: self._kafka.committed.get(place, (0, ""))[0] for place in gained}
            self.positions |= starts
            self._on_assign(self, _partitions(starts))

    def _rejoin(self) -> None:
        if self.positions:
            lost, self.positions = self.positions, {}
            self._on_lost(self, _partitions(lost))
        if self.topics:
            self._kafka.members.append(self)

    def _revoke(self, places: list[Partition]) -> None:
        self._on_revoke(self, _partitions(dict.fromkeys(places, OFFSET_INVALID)))
        for place in places:
            del self.positions[place]
            self._kafka.owners.pop(place, None)

    def _next(self) -> Message | None:
        for place, position in self.positions.items():
            log = self._kafka.logs[place]
            if place in self.held_back or position >= len(log):
                continue
            # The one that was read goes behind the others, so that none starves.
            del self.positions[place]
            self.positions[place] = position + 1
            key, value = log[position]
            return Message(
                topic=place[0], partition=place[1], offset=position, key=key, value=value
            )
        return None


def _refusal(code: int) -> KafkaException:
    return KafkaException(KafkaError(code))


def _load(owners: Mapping[Partition, MemoryConsumer | None], member: MemoryConsumer) -> int:
    return sum(owner is member for owner in owners.values())


def _places(partitions: Sequence[TopicPartition]) -> list[Partition]:
    return [(each.topic, each.partition) for each in partitions]


def _partitions(offsets: Mapping[Partition, int]) -> list[TopicPartition]:
    return [TopicPartition(*place, offset) for place, offset in offsets.items()]


def _ignore(_: Any, __: list[TopicPartition]) -> None:
    """Do nothing about a rebalance."""
