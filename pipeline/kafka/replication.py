"""Which brokers keep copies of each partition, when there are to be more or fewer of them."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from confluent_kafka.admin import ClusterMetadata

from pipeline.errors import Unavailable
from pipeline.kafka import topics
from pipeline.kafka.clients import Access
from pipeline.kafka.topics import Partition
from pipeline.settings import Settings

if TYPE_CHECKING:
    from kafka import KafkaAdminClient

logger = logging.getLogger(__name__)

_TIMEOUT_MILLISECONDS = 30_000

# The brokers that keep a partition; the first leads it when all is well.
Copies = Mapping[Partition, Sequence[int]]


def apply(settings: Settings, told: ClusterMetadata) -> None:
    """Have the brokers move copies until each partition has as many as is set.

    They copy in the background, and serve meanwhile. What they still copy towards another number
    is called off first: Kafka 4.3 never ends a move that takes away what it has not yet brought.
    What somebody else moves from broker to broker goes on.

    Raises:
        Unavailable: they do not take it.
    """
    ours = {topic.name for topic in topics.TOPICS}
    found: dict[Partition, Sequence[int]] = {
        (name, number): partition.replicas
        for name, topic in told.topics.items()
        if name in ours
        for number, partition in topic.partitions.items()
    }
    brokers, factor = sorted(told.brokers), settings.kafka_replication_factor
    if len(brokers) == 1 and not placed(found, brokers, factor):
        return
    with _connected(settings) as admin:
        stopped, settled = sorted_out(found, _moving(admin), factor)
        _reassign(admin, dict.fromkeys(stopped))
        if moves := placed(settled, brokers, factor):
            _reassign(admin, moves)
            logger.info("copies are moved", extra={"partitions": len(moves)})


@dataclass(frozen=True)
class Move:
    """Copies of a partition that are on their way: brokers that keep, get and lose one."""

    replicas: Sequence[int]
    adding: Sequence[int]
    removing: Sequence[int]

    @property
    def before(self) -> list[int]:
        """Who keeps one when it is called off."""
        return [broker for broker in self.replicas if broker not in self.adding]

    def leads_to(self, factor: int) -> bool:
        """Tell whether it ends, and with so many copies."""
        ends = not set(self.adding) & set(self.removing)
        return ends and len(self.replicas) - len(self.removing) == factor


def sorted_out(
    found: Copies, moving: Mapping[Partition, Move], factor: int
) -> tuple[list[Partition], dict[Partition, Sequence[int]]]:
    """Tell the moves to call off, and who keeps each partition that is not moved after that."""
    stopped = [
        place for place, move in moving.items() if place in found and not move.leads_to(factor)
    ]
    settled = {place: replicas for place, replicas in found.items() if place not in moving}
    return stopped, settled | {place: moving[place].before for place in stopped}


def placed(found: Copies, brokers: Sequence[int], factor: int) -> dict[Partition, list[int]]:
    """Tell the new copies of each partition that has too few or too many.

    Who leads goes on to lead; new copies go where the fewest are.
    """
    kept = {place: list(replicas[:factor]) for place, replicas in found.items()}
    load = Counter({broker: 0 for broker in brokers})
    load.update(broker for replicas in kept.values() for broker in replicas)
    for replicas in kept.values():
        while len(replicas) < factor:
            others = [broker for broker in brokers if broker not in replicas]
            least = min(others, key=lambda broker: (load[broker], broker))
            replicas.append(least)
            load[least] += 1
    return {place: new for place, new in kept.items() if len(new) != len(found[place])}


@contextmanager
def _connected(settings: Settings) -> Iterator[KafkaAdminClient]:
    # librdkafka cannot ask for it. Imported where it is needed: it takes 10 MB.
    from kafka import KafkaAdminClient
    from kafka.errors import KafkaError

    try:
        admin = KafkaAdminClient(
            **Access(settings).for_kafka_python(),
            request_timeout_ms=_TIMEOUT_MILLISECONDS,
        )
        try:
            yield admin
        finally:
            admin.close()
    except KafkaError as error:
        raise Unavailable(f"Kafka does not move copies: {error}") from error


def _moving(admin: KafkaAdminClient) -> dict[Partition, Move]:
    told = admin.list_partition_reassignments(timeout_ms=_TIMEOUT_MILLISECONDS)
    return {
        (place.topic, place.partition): Move(
            move["replicas"], move["adding_replicas"], move["removing_replicas"]
        )
        for place, move in told.items()
    }


def _reassign(admin: KafkaAdminClient, moves: Mapping[Partition, Sequence[int] | None]) -> None:
    """Have copies moved to these brokers; None calls off what is under way."""
    from kafka import TopicPartition as Place

    if not moves:
        return
    asked = {Place(*place): brokers and list(brokers) for place, brokers in moves.items()}
    answers = admin.alter_partition_reassignments(asked, timeout_ms=_TIMEOUT_MILLISECONDS)
    refused = sorted({answer.description for answer in answers.values() if answer is not None})
    if refused:
        raise Unavailable(f"Kafka does not move copies: {', '.join(refused)}")
