"""One message can be stepped over, the next one alone, and only while no consumer works."""

from __future__ import annotations

import json

import pytest

from imagectl.dead_letters.skip import Skipping, place_of, settings_for
from pipeline.errors import NotFound, PipelineError, Rejected, Unavailable
from pipeline.events.cloudevents import Origin
from pipeline.events.dead_letters import DeadLetter, decode
from pipeline.kafka import topics
from pipeline.kafka.broker_probe import BrokerProbe
from pipeline.settings import Settings
from pipeline.storage.results import Results
from tests.fakes import MemoryCache, MemoryStore, StubBroker, StubReader
from tests.samples import called, uploaded

UPLOADS = topics.UPLOADS.name


class Group(BrokerProbe):
    """Tells how many consumers there are, from a list that ends with the last; None: not known."""

    def __init__(self, *members: int | None) -> None:
        self.members = list(members)

    def consumers(self) -> int:
        count = self.members.pop(0) if len(self.members) > 1 else self.members[0]
        if count is None:
            raise Unavailable("Kafka does not say who is in the consumer group")
        return count


class Bench:
    """A topic of three messages, the first of them committed."""

    def __init__(self, *members: int | None, second: bytes = b"\xff") -> None:
        self.broker, self.store = StubBroker(), MemoryStore()
        self.reader = StubReader(self.broker)
        for value in (b"first", second, b"third"):
            self.broker.publish(UPLOADS, "key", value)
        self.reader.position[UPLOADS] = 1
        results = Results(self.store, MemoryCache())
        self.skipping = Skipping(self.reader, self.broker, results, Group(*members), 1.0)

    def skip(self, offset: int = 1, partition: int = 0) -> str:
        return self.skipping.skip(Origin(UPLOADS, partition, offset), "it is in the way")

    def letters(self) -> list[DeadLetter]:
        found = map(decode, self.broker.values(topics.FAILURES.name))
        return [letter for letter in found if isinstance(letter, DeadLetter)]


def test_a_message_that_is_stepped_over_is_a_dead_letter_and_committed() -> None:
    bench = Bench(0)

    letter_id = bench.skip()

    (letter,) = bench.letters()
    assert bench.reader.position[UPLOADS] == 2
    assert (letter.letter_id, letter.raw) == (letter_id, b"\xff")
    assert letter.reason == {"code": "skipped", "detail": "it is in the way"}


def test_the_job_of_an_event_that_is_stepped_over_says_so() -> None:
    event = uploaded()
    bench = Bench(0, second=event.encode())

    bench.skip()

    key = f"failures/{event.tenant_id}/{event.job_id}.json"
    failure = json.loads(bench.store.objects["classification-results", key])
    assert failure["error"]["code"] == "skipped"
    assert bench.letters()[0].uploaded == event


def test_a_message_that_nobody_can_read_is_stepped_over_unread() -> None:
    bench = Bench(0)
    bench.reader.unreadable = Unavailable("Kafka does not answer: bad compression")

    bench.skip()

    (letter,) = bench.letters()
    assert not letter.is_whole
    assert "could not be read: Kafka does not answer: bad compression" in letter.reason["detail"]
    assert bench.reader.position[UPLOADS] == 2


def test_it_waits_for_consumers_to_be_gone() -> None:
    bench = Bench(None, 2, 1, 0)

    bench.skip()

    assert bench.reader.position[UPLOADS] == 2


@pytest.mark.parametrize(
    ("members", "offset", "partition", "error", "says"),
    [
        (1, 1, 0, Rejected, "has 1 members; stop the consumers"),
        (0, 0, 0, Rejected, "the next message is image-uploads/0/1"),
        (0, 2, 0, Rejected, "the next message is image-uploads/0/1"),
        (0, 1, 9, NotFound, "has no partition 9"),
    ],
)
def test_no_other_message_is_stepped_over(
    members: int, offset: int, partition: int, error: type[PipelineError], says: str
) -> None:
    bench = Bench(members)

    with pytest.raises(error, match=says):
        bench.skip(offset, partition)

    assert bench.letters() == []
    assert bench.reader.position[UPLOADS] == 1


def test_there_must_be_a_message() -> None:
    bench = Bench(0)
    bench.reader.position[UPLOADS] = 3

    with pytest.raises(NotFound, match="nothing is waiting in image-uploads/0"):
        bench.skip(3)


@pytest.mark.parametrize(
    "text", ["", "image-uploads", "image-uploads/0", "image-results/0/1", "image-uploads/-1/1",
             "image-uploads/0/x", "image-uploads/0/\N{SUPERSCRIPT TWO}", "image-uploads/0/1/2",
             "image-uploads/0/" + "9" * 5000, "\ud800"],
)  # fmt: skip
def test_what_is_no_place_is_refused(text: str) -> None:
    with pytest.raises(Rejected, match="allowed: image-uploads/PARTITION/OFFSET or"):
        place_of(text)


def test_a_call_that_is_stepped_over_can_be_replayed() -> None:
    bench, topic = Bench(0), topics.CALLS.name
    call = called().signed("a key")
    bench.broker.publish(topic, "key", call.encode())
    bench.reader.position[topic] = 0

    letter_id = bench.skipping.skip(Origin(topic, 0, 0), "it is in the way")

    (letter,) = bench.letters()
    assert (letter.letter_id, letter.call) == (letter_id, call)


def test_calls_are_read_by_a_group_of_their_own() -> None:
    settings = Settings()

    assert settings_for(place_of("function-calls-retry/0/1"), settings).consumer_group == (
        settings.async_call_group
    )
    assert settings_for(place_of("image-uploads/0/1"), settings) == settings
