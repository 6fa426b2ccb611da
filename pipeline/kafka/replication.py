"""Which brokers keep copies of each partition, when there are to be more or fewer of them."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping, Sequence

from confluent_kafka.admin import ClusterMetadata

from pipeline.errors import Unavailable
from pipeline.kafka import topics
from pipeline.kafka.clients import Access
from pipeline.kafka.topics import Partition
from pipeline.settings import Settings

logger = logging.getLogger(__name__)

_TIMEOUT_MILLISECONDS = 30_000

# The brokers that keep a partition; the first leads it when all is well.
Copies = Mapping[Partition, Sequence[int]]


def apply(settings: Settings, told: ClusterMetadata) -> None:
    """Have the brokers move copies until each partition has as many as is set.

    They copy in the background, and serve meanwhile.

    Raises:
        Unavailable: they do not take it.
    """
    ours = {topic.name for topic in topics.TOPICS}
    found = {
        (name, number): partition.replicas
        for name, topic in told.topics.items()
        if name in ours
        for number, partition in topic.partitions.items()
    }
    if moves := placed(found, sorted(told.brokers), settings.kafka_replication_factor):
        _reassign(settings, moves)
        logger.info("copies are moved", extra={"partitions": len(moves)})


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


def _reassign(settings: Settings, moves: Copies) -> None:
    # librdkafka cannot ask for it. Imported where it is needed: it takes 10 MB.
    from kafka import KafkaAdminClient
    from kafka import TopicPartition as Place
    from kafka.errors import KafkaError

    try:
        admin = KafkaAdminClient(
            **Access(settings).for_kafka_python(),
            request_timeout_ms=_TIMEOUT_MILLISECONDS,
        )
        try:
            asked = {Place(*place): list(brokers) for place, brokers in moves.items()}
            answers = admin.alter_partition_reassignments(asked, timeout_ms=_TIMEOUT_MILLISECONDS)
        finally:
            admin.close()
    except KafkaError as error:
        raise Unavailable(f"Kafka does not move copies: {error}") from error
    refused = sorted({str(answer) for answer in answers.values() if answer is not None})
    if refused:
        raise Unavailable(f"Kafka does not move copies: {', '.join(refused)}")
