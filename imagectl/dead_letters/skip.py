"""How one message is stepped over: its dead letter first, then a commit that leaves it behind."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace

from pipeline import strict_json
from pipeline.errors import MalformedEvent, NotFound, Rejected, Unavailable
from pipeline.events import dead_letters
from pipeline.events.call_checks import parse_called
from pipeline.events.calls import FunctionCalled
from pipeline.events.cloudevents import ImageUploaded, Origin, decode_uploaded
from pipeline.events.dead_letters import encode_call_failed, encode_failed
from pipeline.events.failures import encode_failure
from pipeline.kafka import topics
from pipeline.kafka.broker_probe import BrokerProbe
from pipeline.kafka.publisher import Publisher
from pipeline.kafka.topic_reader import Span, TopicReader
from pipeline.settings import Settings
from pipeline.storage.results import Results

_OF_CALLS = tuple(topic.name for topic in topics.CALLS_READ)
_TOPICS = (*(topic.name for topic in topics.READ), *_OF_CALLS)
_ASK_SECONDS = 0.2


def place_of(text: str) -> Origin:
    """Read TOPIC/PARTITION/OFFSET.

    Raises:
        Rejected: it is none, or not of a topic that the consumer reads.
    """
    topic, _, numbers = text.partition("/")
    partition, _, offset = numbers.partition("/")
    is_place = all(number.isascii() and number.isdigit() for number in (partition, offset))
    if topic not in _TOPICS or not is_place or len(numbers) > 30:
        allowed = " or ".join(f"{name}/PARTITION/OFFSET" for name in _TOPICS)
        raise Rejected(f"{text!a:.100} is no place of a message; allowed: {allowed}")
    return Origin(topic, int(partition), int(offset))


def settings_for(origin: Origin, settings: Settings) -> Settings:
    """Take the consumer group that reads this topic for ours."""
    if origin.topic in _OF_CALLS:
        return replace(settings, consumer_group=settings.async_call_group)
    return settings


@dataclass(frozen=True)
class Skipping:
    """Steps over messages; only while no consumer works, for Kafka takes no other commit then.

    Attributes:
        wait_seconds: how long the group may take to be empty.
    """

    reader: TopicReader
    publisher: Publisher
    results: Results
    members: BrokerProbe
    wait_seconds: float

    def skip(self, origin: Origin, why: str) -> str:
        """Step over the next message of a partition; the id of its dead letter.

        Raises:
            NotFound: there is no such message.
            Rejected: it is not the next one, or the consumer is at work.
            Unavailable: Kafka or MinIO does not answer.
        """
        deadline = time.monotonic() + self.wait_seconds
        self._await_empty_group(deadline)
        left = self._left(origin)
        offset, raw, why = self._next(left, why)
        if origin.offset != offset:
            raise Rejected(
                f"the next message is {origin.topic}/{origin.partition}/{offset}; only that one can"
                " be stepped over, so that no other is"
            )
        letter = self._bury(raw, origin, {"code": "skipped", "detail": why})
        self._commit(origin, deadline)
        return letter

    def _await_empty_group(self, deadline: float) -> None:
        while (members := self._members(deadline)) != 0:
            if members and time.monotonic() >= deadline:
                raise Rejected(
                    f"the consumer group has {members} members; stop the consumers first: Kafka"
                    " takes no commit from outside while there is one"
                )
            time.sleep(_ASK_SECONDS)

    def _members(self, deadline: float) -> int | None:
        """Count the consumers; None: a broker that has just started does not know yet."""
        try:
            return self.members.consumers()
        except Unavailable:
            if time.monotonic() >= deadline:
                raise
            return None

    def _left(self, origin: Origin) -> Span:
        """Tell what of the partition is not committed."""
        spans = {each.partition: each for each in self.reader.spans(origin.topic)}
        if origin.partition not in spans:
            raise NotFound(f"{origin.topic} has no partition {origin.partition}")
        (left,) = self.reader.uncommitted([spans[origin.partition]])
        return left

    def _next(self, left: Span, why: str) -> tuple[int, bytes | None, str]:
        """Find the next message; one that nobody can read is stepped over unread."""
        try:
            for record in self.reader.read(left):
                return record.offset, record.value, why
        except Unavailable as error:
            return left.first, None, f"{why}; it could not be read: {error}"
        raise NotFound(f"nothing is waiting in {left.topic}/{left.partition}")

    def _bury(self, raw: bytes | None, origin: Origin, reason: dict[str, str]) -> str:
        if origin.topic in _OF_CALLS and (call := _call(raw)) is not None:
            letter = encode_call_failed(call, reason, origin, call.attempt)
            self.publisher.publish(topics.FAILURES.name, call.event_id, letter)
            return dead_letters.call_letter_id(call)
        event = _event(raw)
        if event is not None:
            failure = encode_failure(event, reason, time.time())
            self.results.save_failure(event.tenant_id, event.job_id, failure)
        letter = encode_failed(raw, event, reason, origin, stage="consume")
        place = f"{origin.topic}/{origin.partition}/{origin.offset}"
        key = event.image_id if event is not None else place
        self.publisher.publish(topics.FAILURES.name, key, letter)
        return dead_letters.letter_id(event, origin)

    def _commit(self, origin: Origin, deadline: float) -> None:
        while True:
            try:
                self.reader.commit(origin.topic, origin.partition, origin.offset + 1)
            except Rejected:
                # A consumer came in between. Should it work the message off, the letter is one too
                # many, and says the same of an unreadable one.
                if time.monotonic() >= deadline:
                    raise
                time.sleep(_ASK_SECONDS)
            else:
                return


def _call(raw: bytes | None) -> FunctionCalled | None:
    """Read a call, whoever vouches for it: whoever makes it again asks for that."""
    try:
        return parse_called(strict_json.parse(raw or b"", topics.CALLS.max_event_bytes))
    except (ValueError, MalformedEvent):
        return None


def _event(raw: bytes | None) -> ImageUploaded | None:
    try:
        return decode_uploaded(raw or b"")
    except MalformedEvent:
        return None
