"""Kafka: how events are published, and when their acknowledgement is given up."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from typing import NamedTuple, cast

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from pipeline.errors import PipelineError, Refused, Unavailable
from pipeline.hooks import crashes
from pipeline.kafka import clients
from pipeline.kafka.topics import TOPICS
from pipeline.settings import Settings
from pipeline.timeouts.defaults import CLIENT_STUCK_SECONDS

logger = logging.getLogger(__name__)

# A topic and a partition of it; before a message is given one it has none.
_Destination = tuple[str | None, int | None]
_NO_PARTITION = -1

# An acknowledgement ends the wait at once; this is how long closing may take.
_POLL_SECONDS = 0.5
# Room for a burst of events of at most 4 KB; beyond it `publish` says Unavailable at once.
_QUEUE_MESSAGES = 20_000
# Said of the event itself.
_FINAL = frozenset(
    {KafkaError.MSG_SIZE_TOO_LARGE, KafkaError.INVALID_RECORD, KafkaError._INVALID_ARG}
)
# How soon partitions that were added are written to, after they are read: librdkafka's default is
# 5 min.
_LOOK_MILLISECONDS = 30_000


class Written(NamedTuple):
    """Where an event lies in its topic."""

    partition: int
    offset: int


class Publisher:
    """One producer for all threads; each event's acknowledgement is awaited by whoever sent it.

    `acks=all` without idempotence: an event written twice by a retry is harmless here, and a
    producer without sequence numbers has no fatal state to recover from. One that was told of a
    partition without a leader, by a broker that shuts down, may never send to it again (librdkafka
    issue 5430): it is replaced.
    """

    def __init__(
        self,
        settings: Settings,
        make: Callable[[Settings], Producer] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._timeout_seconds = settings.produce_timeout_seconds
        self._make = partial(make or _make_producer, settings)
        self._clock = clock
        self._producer = self._make()
        # Replaced ones, until what they were given has been acknowledged or has timed out.
        self._retired: list[Producer] = []
        self._failing_since: dict[_Destination, float] = {}
        self._is_stuck = False
        self._closing = threading.Event()
        self._poller = threading.Thread(target=self._poll, name="kafka-acks", daemon=True)
        self._poller.start()

    def send(self, topic: str, key: str, value: bytes) -> Future[Written]:
        """Hand an event to the producer; the future ends when the broker has acknowledged it.

        Its exception, if any, is Unavailable, and the event may have been written nevertheless; or
        Refused, and it was not.
        """
        sent: Future[Written] = Future()

        def acknowledged(error: KafkaError | None, message: Message) -> None:
            # Who refuses an event answers.
            self._note(message, None if error and error.code() in _FINAL else error)
            if error is None:
                sent.set_result(_written(message))
            else:
                sent.set_exception(_meaning(error))

        try:
            self._producer.produce(topic, value, key, on_delivery=acknowledged)
        except BufferError:
            sent.set_exception(Unavailable("Kafka is slower than the events that come in"))
        except KafkaException as error:
            sent.set_exception(_meaning(error.args[0]))
        crashes.point("produced", topic)
        return sent

    def publish(self, topic: str, key: str, value: bytes) -> Written:
        """Send an event and wait until the broker has acknowledged it; tell where it lies.

        Raises:
            Unavailable: not acknowledged in time; the event may have been written nevertheless.
            Refused: it never will be.
        """
        return self.wait(self.send(topic, key, value))

    def wait(self, sent: Future[Written]) -> Written:
        """Wait for one acknowledgement; tell where the event lies.

        Raises:
            Unavailable: not acknowledged in time.
            Refused: it never will be.
        """
        try:
            # librdkafka gives up at the same timeout, and says so up to a second later.
            return sent.result(self._timeout_seconds)
        except TimeoutError as error:
            raise Unavailable("Kafka did not acknowledge in time") from error

    def close(self) -> None:
        """Wait for what was sent, then stop."""
        self._producer.flush(self._timeout_seconds + 1.0)
        self._closing.set()
        self._poller.join()

    def _poll(self) -> None:
        while not self._closing.is_set():
            self._producer.poll(_POLL_SECONDS)
            for retired in self._retired:
                retired.poll(0)
            self._retired = [retired for retired in self._retired if len(retired)]
            if self._is_stuck:
                self._replace()

    def _note(self, message: Message, error: KafkaError | None) -> None:
        """Notice a partition that has taken nothing for too long."""
        topic, partition, now = message.topic(), message.partition(), self._clock()
        if error is not None:
            since = self._failing_since.setdefault((topic, partition), now)
            self._is_stuck = self._is_stuck or now - since > CLIENT_STUCK_SECONDS
            return
        for place in ((topic, partition), (topic, _NO_PARTITION)):
            self._failing_since.pop(place, None)

    def _replace(self) -> None:
        logger.warning("kafka producer replaced", extra={"partitions": len(self._failing_since)})
        self._failing_since.clear()
        self._is_stuck = False
        self._retired.append(self._producer)
        self._producer = self._make()


def _written(message: Message) -> Written:
    # The client's types allow None, which only a message that was not written has.
    return Written(cast(int, message.partition()), cast(int, message.offset()))


def _meaning(error: KafkaError) -> PipelineError:
    if error.code() in _FINAL:
        return Refused(f"Kafka takes no such event: {error.str()}")
    return Unavailable(f"Kafka did not acknowledge: {error.str()}")


def _make_producer(settings: Settings) -> Producer:
    return clients.Producer(
        settings,
        {
            "acks": "all",
            # A wait for company costs each event 1.5 ms, and saves the broker 0.03 ms of its time.
            "linger.ms": 0,
            "socket.nagle.disable": True,
            "message.timeout.ms": int(settings.produce_timeout_seconds * 1000),
            "socket.connection.setup.timeout.ms": 1000,
            "reconnect.backoff.ms": 50,
            "topic.metadata.refresh.interval.ms": _LOOK_MILLISECONDS,
            "queue.buffering.max.messages": _QUEUE_MESSAGES,
            "message.max.bytes": max(topic.max_event_bytes for topic in TOPICS),
        },
    )
