"""Kafka: what a topic holds now, read by nobody's group, so that nothing is committed."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import cast

from confluent_kafka import KafkaError, KafkaException, Message, TopicPartition

from pipeline.errors import Rejected, Unavailable
from pipeline.kafka.clients import Consumer
from pipeline.settings import Settings

_ANSWER_SECONDS = 10.0
_MESSAGES_AT_ONCE = 500
_QUEUED_KILOBYTES = 4_096
_HAS_MEMBERS = frozenset(
    {
        KafkaError.UNKNOWN_MEMBER_ID,
        KafkaError.ILLEGAL_GENERATION,
        KafkaError.REBALANCE_IN_PROGRESS,
    }
)


@dataclass(frozen=True)
class Span:
    """Offsets of one partition, from `first` to just before `end`."""

    topic: str
    partition: int
    first: int
    end: int

    def __len__(self) -> int:
        return max(self.end - self.first, 0)


@dataclass(frozen=True)
class Record:
    """One message and where it is.

    Attributes:
        timestamp: seconds since 1970 at which it was written.
    """

    partition: int
    offset: int
    timestamp: float
    value: bytes


class TopicReader:
    """Reads topics from where it is told to where they ended when it looked; for one thread."""

    def __init__(self, settings: Settings) -> None:
        self._consumer = Consumer(
            settings,
            {
                # Asked how far it is; never joined.
                "group.id": settings.consumer_group,
                "enable.auto.commit": False,
                # What retention took away meanwhile is passed over.
                "auto.offset.reset": "earliest",
                "enable.partition.eof": True,
                # As the consumer does.
                "isolation.level": "read_uncommitted",
                "fetch.wait.max.ms": 50,
                "queued.max.messages.kbytes": _QUEUED_KILOBYTES,
            },
        )

    def close(self) -> None:
        """Let go of the broker."""
        self._consumer.close()

    def spans(self, topic: str) -> list[Span]:
        """Tell what each partition holds now.

        Raises:
            Unavailable: Kafka does not answer, or has no such topic.
        """
        try:
            found = self._consumer.list_topics(topic, timeout=_ANSWER_SECONDS).topics[topic]
            if found.error is not None:
                raise Unavailable(f"Kafka has no topic {topic}: {found.error.str()}")
            return [self._span(topic, partition) for partition in sorted(found.partitions)]
        except KafkaException as error:
            raise _unavailable(error.args[0]) from error

    def uncommitted(self, spans: Sequence[Span]) -> list[Span]:
        """Tell what of these spans the consumer group has not committed yet.

        Raises:
            Unavailable: Kafka does not answer.
        """
        asked = [TopicPartition(span.topic, span.partition) for span in spans]
        try:
            found = self._consumer.committed(asked, timeout=_ANSWER_SECONDS)
        except KafkaException as error:
            raise _unavailable(error.args[0]) from error
        for partition in found:
            if partition.error is not None:
                raise _unavailable(partition.error)
        # Negative where nothing was committed yet, and behind what retention took away.
        return [
            replace(span, first=max(span.first, partition.offset))
            for span, partition in zip(spans, found, strict=True)
        ]

    def commit(self, topic: str, partition: int, offset: int) -> None:
        """Set how far the consumer group is; it must have no member.

        Raises:
            Rejected: it has one.
            Unavailable: Kafka does not answer.
        """
        wanted = [TopicPartition(topic, partition, offset)]
        try:
            self._consumer.commit(offsets=wanted, asynchronous=False)
        except KafkaException as error:
            if error.args[0].code() in _HAS_MEMBERS:
                raise Rejected("the consumer group has members; stop the consumers") from error
            raise _unavailable(error.args[0]) from error

    def read(self, span: Span) -> Iterator[Record]:
        """Read a span, holding little of it in memory.

        Raises:
            Unavailable: Kafka stopped answering.
        """
        if not len(span):
            return
        start = TopicPartition(span.topic, span.partition, span.first)
        self._consumer.assign([start])
        while True:
            for message in self._next():
                if message.error() is not None:
                    return  # the partition's end
                record = _record(message)
                if record.offset < span.end:
                    yield record
                if record.offset >= span.end - 1:
                    return

    def _span(self, topic: str, partition: int) -> Span:
        first, end = self._consumer.get_watermark_offsets(
            TopicPartition(topic, partition), timeout=_ANSWER_SECONDS
        )
        return Span(topic, partition, first, end)

    def _next(self) -> list[Message]:
        """Wait for messages, the last of them perhaps the partition's end."""
        deadline, last = time.monotonic() + _ANSWER_SECONDS, None
        while (left := deadline - time.monotonic()) > 0:
            message = self._consumer.poll(left)
            if message is None:
                continue
            error = message.error()
            if error is None:
                more = self._consumer.consume(_MESSAGES_AT_ONCE, timeout=0)
                return [message, *(each for each in more if _is_news(each))]
            if error.code() == KafkaError._PARTITION_EOF:
                return [message]
            last = error  # the client goes on trying by itself
        raise _unavailable(last)


def _is_news(message: Message) -> bool:
    error = message.error()
    return error is None or error.code() == KafkaError._PARTITION_EOF


def _record(message: Message) -> Record:
    # The client's types allow None, which only a message with an error carries.
    _, milliseconds = message.timestamp()
    return Record(
        cast(int, message.partition()),
        cast(int, message.offset()),
        milliseconds / 1000,
        message.value() or b"",
    )


def _unavailable(error: KafkaError | None) -> Unavailable:
    return Unavailable(f"Kafka does not answer: {error.str() if error else 'timed out'}")
