"""When a producer that delivers nothing any more is replaced; the real Kafka: test_contracts.py."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException, Message, Producer

from pipeline.errors import Refused, Unavailable
from pipeline.kafka.publisher import Publisher
from pipeline.settings import Settings
from pipeline.timeouts.defaults import BROKER_BACK_SECONDS

TOO_LARGE = KafkaError(KafkaError.MSG_SIZE_TOO_LARGE)
TIMED_OUT = KafkaError(KafkaError._MSG_TIMED_OUT)
Report = Callable[[KafkaError | None, Message], None]
SETTINGS = Settings(produce_timeout_seconds=20.0)


class Client(Producer):
    """Stands in for librdkafka's producer: reports each message when it is polled."""

    def __init__(self) -> None:
        self.stuck: set[str] = set()
        self.refused: set[str] = set()
        self.refused_at_once: set[str] = set()
        self._reports: list[Callable[[], None]] = []
        self._something = threading.Event()

    def produce(self, topic: str, *_: Any, on_delivery: Report | None = None, **__: Any) -> None:
        assert on_delivery
        if topic in self.refused_at_once:
            raise KafkaException(TOO_LARGE)
        error = TIMED_OUT if topic in self.stuck else None
        error = TOO_LARGE if topic in self.refused else error
        self._reports.append(
            lambda: on_delivery(error, Message(topic=topic, partition=0, offset=7))
        )
        self._something.set()

    def poll(self, timeout: float = -1) -> int:
        self._something.wait(min(timeout, 0.02))
        self._something.clear()
        reports, self._reports = self._reports, []
        for report in reports:
            report()
        return len(reports)

    def flush(self, timeout: float = -1) -> int:
        return 0

    def __len__(self) -> int:
        return len(self._reports)


class Kafka:
    """A publisher, its clock, and every client that it made."""

    def __init__(self) -> None:
        self.now = 0.0
        self.clients: list[Client] = []
        self.publisher = Publisher(SETTINGS, self._make, lambda: self.now)

    def publish(self, topic: str = "image-results", at: float = 0.0) -> bool:
        """Send an event at this second; whether it was acknowledged."""
        self.now = at
        sent = self.publisher.send(topic, "key", b"value")
        try:
            self.publisher.wait(sent)
        except Unavailable:
            return False
        return True

    def _make(self, _: Settings) -> Client:
        self.clients.append(Client())
        return self.clients[-1]


@pytest.fixture
def kafka() -> Iterator[Kafka]:
    one = Kafka()
    yield one
    one.publisher.close()


def test_a_producer_that_delivers_nothing_for_long_is_replaced(kafka: Kafka) -> None:
    kafka.clients[0].stuck.add("image-results")

    answers = [kafka.publish(at=second) for second in (0, 3, 9)]
    after = [kafka.publish(at=second) for second in (10, 11, 12)]

    assert answers == [False, False, False]
    assert after[1:] == [True, True]  # the first may still have met the old one
    assert len(kafka.clients) == 2


def test_a_topic_that_is_stuck_shows_although_another_is_not(kafka: Kafka) -> None:
    kafka.clients[0].stuck.add("image-results")

    for second in range(10):
        kafka.publish("image-failures", at=second)
        kafka.publish("image-results", at=second)
    kafka.publish(at=10)

    assert kafka.publish(at=11)


def test_a_short_outage_replaces_nothing(kafka: Kafka) -> None:
    for start in (0, 10, 20):
        kafka.clients[0].stuck.add("image-results")
        kafka.publish(at=start)
        kafka.publish(at=start + BROKER_BACK_SECONDS)
        kafka.clients[0].stuck.clear()
        kafka.publish(at=start + BROKER_BACK_SECONDS + 0.5)

    assert len(kafka.clients) == 1


def test_one_failure_long_ago_replaces_nothing(kafka: Kafka) -> None:
    kafka.clients[0].stuck.add("image-results")
    kafka.publish(at=0)
    kafka.clients[0].stuck.clear()

    answers = [kafka.publish(at=second) for second in (1000, 1001)]

    assert answers == [True, True]
    assert len(kafka.clients) == 1


@pytest.mark.parametrize("where", ["refused", "refused_at_once"])
def test_what_kafka_never_takes_is_refused_and_is_no_outage(kafka: Kafka, where: str) -> None:
    (client,) = kafka.clients
    getattr(client, where).add("image-results")

    for second in range(20):
        with pytest.raises(Refused, match="takes no such event"):
            kafka.publish(at=float(second))

    assert kafka.clients == [client]
