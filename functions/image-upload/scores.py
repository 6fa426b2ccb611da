"""A place in Kafka as one number, by which Redis sorts what a tenant has under way."""

from __future__ import annotations

from pipeline.kafka import topics
from pipeline.kafka.backlog import Reading
from pipeline.kafka.publisher import Written
from pipeline.kafka.topics import Partition, Topic

# Redis keeps it exactly: topic, partition, offset.
_PARTITIONS, _OFFSETS = 1 << 7, 1 << 40


def of(topic: Topic, written: Written) -> int:
    """Tell the number of an event's place."""
    return _first(topic.name, written.partition) + written.offset


def finished(reading: Reading) -> list[tuple[int, int]]:
    """Tell from where to where everything is finished, for each partition that has begun."""
    accepted = {each.name for each in topics.ACCEPTED}
    places: list[tuple[Partition, int]] = list(reading.positions.items())
    firsts = [(_first(*place), position) for place, position in places if place[0] in accepted]
    return [(first, first + position) for first, position in firsts if position > 0]


def _first(topic: str, partition: int) -> int:
    names = [each.name for each in topics.ACCEPTED]
    return (names.index(topic) * _PARTITIONS + partition) * _OFFSETS
