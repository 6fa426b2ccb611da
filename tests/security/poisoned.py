"""Poison in the topics of a running stack, innocents among it, and what became of both."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from random import Random

from confluent_kafka import KafkaError, Message, Producer

from pipeline.errors import MalformedEvent
from pipeline.events import dead_letters
from pipeline.events.cloudevents import Origin
from pipeline.events.dead_letters import DeadLetter
from pipeline.kafka import topics
from pipeline.kafka.clients import connection
from tests import pictures
from tests.chaos import evidence
from tests.kafka import read_topic
from tests.security.poison import Poison, poison
from tests.stack import Stack

CONSUMER = "image-process-consumer"
TOPICS = (topics.UPLOADS, topics.RETRY)

_PRODUCE_SECONDS = 30.0
_INNOCENTS_AT_ONCE = 4
_KINDS_BETWEEN = 10
# Between two kills, so that the consumer comes to work on something.
_KILL_EVERY = 100


@dataclass
class Outcome:
    """What was seen.

    Attributes:
        sent: every message and where it lies.
        letters: how many different letters there are of each of them.
        copies: how many letters there are in all; a kill may write one again.
        innocents: the end of each good picture, and after how many seconds it was seen.
    """

    sent: dict[Origin, Poison] = field(default_factory=dict)
    letters: Counter[Origin] = field(default_factory=Counter)
    copies: int = 0
    innocents: list[tuple[str, float]] = field(default_factory=list)

    @property
    def not_once(self) -> dict[str, int]:
        """Kinds that have no letter, or several, with how many."""
        counts = {each.kind: self.letters[origin] for origin, each in self.sent.items()}
        return {kind: count for kind, count in counts.items() if count != 1}

    @property
    def slowest_seconds(self) -> float:
        """How long the slowest innocent took."""
        return max(seconds for _, seconds in self.innocents)


def run(stack: Stack, seed: int, per_topic: int, kills: int = 0, drain: float = 120.0) -> Outcome:
    """Put poison into both topics that the consumer reads, and good pictures through the gateway.

    Args:
        per_topic: messages in each topic.
        kills: how often the consumer is killed meanwhile.
        drain: seconds in which everything must have ended.
    """
    outcome, chooser = Outcome(), Random(seed)
    messages = list(poison(seed, per_topic * len(TOPICS)))
    waiting: list[Future[tuple[str, float]]] = []
    with poison_producer(stack) as producer, ThreadPoolExecutor(_INNOCENTS_AT_ONCE) as clients:
        for number, message in enumerate(messages):
            _send(producer, outcome, message, TOPICS[number % len(TOPICS)], chooser)
            if number % _KINDS_BETWEEN == 0:
                producer.flush(_PRODUCE_SECONDS)
                waiting.append(clients.submit(_innocent, stack, f"{seed} {number}"))
            if kills and number % _KILL_EVERY == _KILL_EVERY // 2:
                kills -= stack.kill(CONSUMER) is not None
        outcome.innocents = [each.result() for each in waiting]
    assert len(outcome.sent) == len(messages), "not all of the poison was taken"
    evidence.drain(stack, drain)
    _count(stack, outcome)
    return outcome


def _send(
    producer: Producer, outcome: Outcome, message: Poison, topic: topics.Topic, chooser: Random
) -> None:
    def acknowledged(error: KafkaError | None, written: Message) -> None:
        assert error is None, f"{message.kind}: {error}"
        place = Origin(topic.name, written.partition() or 0, written.offset() or 0)
        outcome.sent[place] = message

    partition = chooser.randrange(topic.partitions)
    producer.produce(
        topic.name, message.value, message.key, partition=partition, on_delivery=acknowledged
    )


def _innocent(stack: Stack, name: str) -> tuple[str, float]:
    began = time.monotonic()
    accepted = stack.upload(pictures.fresh(f"innocent {name}"))
    assert accepted.status_code == 202, accepted.text
    ended = stack.finished(accepted.json()["jobId"])
    return str(ended["status"]), time.monotonic() - began


def _count(stack: Stack, outcome: Outcome) -> None:
    seen: set[tuple[Origin, str]] = set()
    for letter in letters(stack):
        if letter.origin in outcome.sent:
            outcome.copies += 1
            seen.add((letter.origin, letter.letter_id))
    outcome.letters = Counter(origin for origin, _ in seen)


def letters(stack: Stack) -> Iterator[DeadLetter]:
    """Read the dead letters among whatever their topic holds."""
    for record in read_topic(stack, topics.FAILURES.name):
        try:
            found = dead_letters.decode(record.value)
        except MalformedEvent:
            continue
        if isinstance(found, DeadLetter):
            yield found


@contextmanager
def poison_producer(stack: Stack) -> Iterator[Producer]:
    """Make a producer that sends whatever a topic takes; all of it is taken in the end."""
    settings = {
        **connection(stack.settings),
        "message.max.bytes": max(topic.max_event_bytes for topic in topics.TOPICS),
    }
    producer = Producer(settings)
    yield producer
    assert producer.flush(_PRODUCE_SECONDS) == 0, "Kafka does not take the poison"
