"""How many accepted images are waiting: from the consumer's commits to the topics' ends."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

from confluent_kafka import (
    OFFSET_BEGINNING,
    OFFSET_END,
    OFFSET_INVALID,
    Consumer,
    KafkaException,
    TopicPartition,
)

from pipeline.errors import Unavailable
from pipeline.kafka import clients, topics
from pipeline.kafka.recovery import Replaceable
from pipeline.kafka.topics import Partition
from pipeline.settings import Settings
from pipeline.timeouts.defaults import CLIENT_STUCK_SECONDS

# Asked no more often: where partitions begin, which changes when days-old events expire, and how
# far the group is when nothing has come since nothing waited, which only an operator may change.
_SELDOM_SECONDS = 60.0

# Asked more often: how many partitions there are, which an operator may raise while all goes on.
_PARTITIONS_SECONDS = 15.0


@dataclass(frozen=True)
class Reading:
    """What the topics said at one moment.

    Attributes:
        waiting: events that nobody has committed yet, those in work included.
        passed: the sum of all committed positions; how fast it grows is the rate of draining.
        positions: how far the group is in each partition.
        waiting_in: how many wait in each topic.
    """

    waiting: int
    passed: int
    positions: Mapping[Partition, int] = field(default_factory=dict, compare=False)
    waiting_in: Mapping[str, int] = field(default_factory=dict, compare=False)


class BacklogProbe:
    """Asks Kafka how far the consumer group has come.

    A reading is two requests, and one while nothing comes and nothing waits.
    Partitions that are added are counted after a quarter of a minute.
    """

    def __init__(
        self,
        settings: Settings,
        connect: Callable[[Settings], Consumer] | None = None,
        clock: Callable[[], float] = time.monotonic,
        read: Sequence[topics.Topic] = topics.READ,
    ) -> None:
        self._clock = clock
        self._topics = read
        self._places: list[Partition] = []
        self._places_until = 0.0
        self._firsts: dict[Partition, int] = {}
        self._firsts_until = 0.0
        self._rest = Reading(0, 0)  # where nothing waited
        self._rest_ends: dict[Partition, int] = {}
        self._rest_until = 0.0
        self._timeout_seconds = settings.produce_timeout_seconds
        connecting = partial(connect or _connect, settings)
        self._clients = Replaceable(connecting, CLIENT_STUCK_SECONDS, clock)

    def read(self) -> Reading:
        """Read all partitions.

        Raises:
            Unavailable: Kafka did not say it of every partition.
        """
        try:
            with self._clients.asked() as client:
                return self._read(client)
        except KafkaException as error:
            raise Unavailable("Kafka does not say how far the consumer group is") from error

    def _read(self, client: Consumer) -> Reading:
        self._look_for_partitions(client)
        ends = self._offsets(client, OFFSET_END)
        if ends == self._rest_ends and self._clock() < self._rest_until:
            return self._rest
        committed = client.committed(self._asked(), self._timeout_seconds)
        found = reading(_by_place(committed), self._first_offsets(client), ends)
        self._rest, self._rest_ends = found, {} if found.waiting else ends
        self._rest_until = self._clock() + _SELDOM_SECONDS
        return found

    def _look_for_partitions(self, client: Consumer) -> None:
        if self._clock() < self._places_until:
            return
        names = [topic.name for topic in self._topics]
        found = [place for name in names for place in self._partitions_of(client, name)]
        if found != self._places:
            self._places, self._firsts_until = found, 0.0
        self._places_until = self._clock() + _PARTITIONS_SECONDS

    def _partitions_of(self, client: Consumer, topic: str) -> list[Partition]:
        told = client.list_topics(topic, timeout=self._timeout_seconds).topics[topic]
        if told.error is not None or not told.partitions:
            raise Unavailable(f"Kafka does not say what partitions {topic} has: {told.error}")
        return [(topic, number) for number in sorted(told.partitions)]

    def _asked(self, offset: int = OFFSET_INVALID) -> list[TopicPartition]:
        return [TopicPartition(*place, offset) for place in self._places]

    def _first_offsets(self, client: Consumer) -> dict[Partition, int]:
        if self._clock() >= self._firsts_until:
            self._firsts = self._offsets(client, OFFSET_BEGINNING)
            self._firsts_until = self._clock() + _SELDOM_SECONDS
        return self._firsts

    def _offsets(self, client: Consumer, which: int) -> dict[Partition, int]:
        # Kafka takes these two in the place of a time.
        return _by_place(client.offsets_for_times(self._asked(which), self._timeout_seconds))


def _connect(settings: Settings) -> Consumer:
    """Make a consumer that subscribes to nothing.

    It joins no group, and is told the group's positions all the same. Not the admin client:
    librdkafka 2.16 takes the process with it when the coordinator that it asks is one no more
    (confluent-kafka-javascript, issue 374).
    """
    return clients.Consumer(
        settings, {"group.id": settings.consumer_group, "enable.auto.commit": False}
    )


def reading(
    committed: Mapping[Partition, int],
    firsts: Mapping[Partition, int],
    ends: Mapping[Partition, int],
) -> Reading:
    """Add up the partitions; one without a commit, or expired past it, begins at its first event.

    Args:
        committed: positions by topic and partition; negative where nothing was committed.
    """
    positions = {place: max(committed.get(place, -1), first) for place, first in firsts.items()}
    waiting_in: Counter[str] = Counter()
    for place, end in ends.items():
        waiting_in[place[0]] += max(0, end - positions[place])
    return Reading(waiting_in.total(), sum(positions.values()), positions, waiting_in)


def _by_place(partitions: list[TopicPartition]) -> dict[Partition, int]:
    """Take the offsets out of an answer.

    Raises:
        Unavailable: Kafka knows nothing of a partition now.
    """
    for partition in partitions:
        if partition.error:
            raise Unavailable(f"Kafka does not say how far a partition is: {partition.error.str()}")
    return {(each.topic, each.partition): each.offset for each in partitions}
