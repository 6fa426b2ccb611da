"""Whatever a topic holds ends as a dead letter, once, and the innocent beside it end as ever."""

from __future__ import annotations

import json
import logging
from random import Random
from typing import Any

import pytest

from deliveries import Delivery, read
from imagectl.dead_letters.letters import Filter, Letters
from imagectl.dead_letters.table import lines, page, row
from pipeline.errors import InvalidImage, MalformedEvent, Unavailable
from pipeline.events.cloudevents import Origin, decode_uploaded
from pipeline.events.dead_letters import DeadLetter, decode
from pipeline.kafka import topics
from pipeline.telemetry import JsonFormatter
from tests.fakes import StubBroker, StubReader
from tests.processing import Bench
from tests.samples import uploaded
from tests.security.poison import EVENTS, KINDS, make, poison

UNREADABLE = [kind for kind in KINDS if kind not in EVENTS]


@pytest.fixture
def bench() -> Bench:
    return Bench()


def deliver(value: bytes | None, offset: int = 0) -> Delivery:
    return read(value or b"", Origin("image-uploads", 0, offset), redelivered=False)


def test_there_are_many_kinds_and_a_seed_gives_the_same() -> None:
    assert len(KINDS) >= 40
    assert list(poison(7, 300)) == list(poison(7, 300))
    assert {each.kind for each in poison(7, 300)} == set(KINDS)


@pytest.mark.parametrize("kind", UNREADABLE)
def test_what_is_no_event_is_refused_with_a_reason_that_can_be_written(kind: str) -> None:
    message = make(kind, Random(kind))

    with pytest.raises(MalformedEvent) as refused:
        decode_uploaded(message.value or b"")

    assert 0 < len(str(refused.value).encode()) < 1000


@pytest.mark.parametrize("kind", EVENTS)
def test_what_is_an_event_is_read_back_as_it_was_written(kind: str) -> None:
    event = decode_uploaded(make(kind, Random(kind)).value or b"")

    assert decode_uploaded(event.encode()) == event


@pytest.mark.parametrize("kind", KINDS)
def test_poison_is_dead_lettered_once_and_the_innocent_beside_it_complete(
    bench: Bench, kind: str
) -> None:
    message, innocents = make(kind, Random(kind)), [uploaded("before"), uploaded("behind")]
    before, behind = (deliver(event.encode(), offset) for offset, event in enumerate(innocents, 1))
    if message.is_event:
        gone = {"code": "image-missing", "detail": "the stored image is gone"}
        image = decode_uploaded(message.value or b"").image_id
        bench.classifier.script[image] = {"status": "invalid", "error": gone}

    unfinished = bench.processor.process([before, deliver(message.value), behind])

    (letter,) = map(decode, bench.broker.values(topics.FAILURES.name))
    assert unfinished == []
    assert isinstance(letter, DeadLetter)
    assert (letter.uploaded is not None) == message.is_event
    assert message.is_event or letter.raw == (message.value or b"")
    assert len(bench.broker.values(topics.RESULTS.name)) == 2


def test_much_poison_in_a_row_stops_nobody(bench: Bench) -> None:
    batch = [
        deliver(each.value, offset)
        for offset, each in enumerate(poison(3, 400))
        if not each.is_event
    ]

    unfinished = bench.processor.process([*batch, deliver(uploaded().encode(), 999)])

    assert unfinished == []
    assert bench.breaker.why_open() is None
    assert len(bench.broker.values(topics.RESULTS.name)) == 1


@pytest.mark.parametrize("kind", KINDS)
def test_a_letter_topic_that_holds_poison_is_read_past_it(kind: str) -> None:
    broker, message = StubBroker(), make(kind, Random(kind))
    broker.publish(topics.FAILURES.name, "key", message.value or b"")

    letters = Letters(StubReader(broker), Filter())

    assert (letters.foreign, list(letters.read())) == (1, [])


_LETTER: dict[str, Any] = {
    "type": "ImageFailed", "time": "2026-01-02T03:04:05.678+00:00", "subject": "s",
    "data": {
        "originalBytes": "/wA=", "reason": {"code": "c", "detail": "d"}, "attempts": 1,
        "originTopic": "image-uploads", "originPartition": 0, "originOffset": 1,
    },
}  # fmt: skip


_OTHER_DATA: list[dict[str, Any]] = [
    {"attempts": None},
    {"attempts": "1"},
    {"reason": []},
    {"reason": {"code": 1, "detail": "d"}},
    {"reason": {"code": "\ud800", "detail": "d"}},
    {"originPartition": 1.5},
    {"originOffset": "1"},
    {"originTopic": ["image-uploads"]},
    {"originTopic": "image-results"},
    {"originalBytes": "\u00e9"},
    {"originalBytes": None},
    {"originalEvent": []},
    {"originalEvent": {"type": "ImageUploaded", "data": {}}},
]
_OTHERS: list[dict[str, Any]] = [
    {"time": "0001-01-01T00:00:00+23:59"},
    {"time": 5},
    {"subject": None},
    {"type": ["ImageFailed"]},
    {"type": "ImageReplayed", "data": {"letterId": {}}},
    {"type": "ImageReplayed", "data": None},
    *({"data": {**_LETTER["data"], **data}} for data in _OTHER_DATA),
]


@pytest.mark.parametrize("changes", _OTHERS, ids=range(len(_OTHERS)))
def test_a_letter_that_is_not_whole_is_none(changes: dict[str, Any]) -> None:
    assert isinstance(decode(json.dumps(_LETTER).encode()), DeadLetter)

    with pytest.raises(MalformedEvent):
        decode(json.dumps(_LETTER | changes).encode())


@pytest.mark.parametrize("kind", KINDS)
def test_every_letter_can_be_shown_and_logged(bench: Bench, kind: str) -> None:
    bench.classifier.default = {"status": "invalid", "error": {"detail": "\ud800\x1b[2J" * 999}}
    bench.processor.process([deliver(make(kind, Random(kind)).value)])

    shown = Letters(StubReader(bench.broker), Filter())

    (each,) = shown.read()
    for text in ("\n".join(lines(each)), json.dumps(row(each)), json.dumps(page(each))):
        assert "\x1b" not in text
        assert text.encode()


def test_a_log_line_says_what_cannot_be_written_as_an_escape() -> None:
    record = logging.makeLogRecord({"msg": "refused", "reason": "a\ud800"})

    assert rb'"reason": "a\ud800"' in JsonFormatter("x").format(record).encode()


def test_an_error_of_a_store_ends_and_one_of_a_store_that_is_away_does_not(bench: Bench) -> None:
    refused, away = uploaded("refused"), uploaded("away")
    final = InvalidImage("MinIO answered 400", code="store-refused")
    error = {"code": final.code, "detail": str(final)}
    bench.classifier.script[refused.image_id] = {"status": "invalid", "error": error}
    bench.classifier.script[away.image_id] = Unavailable("MinIO does not answer")

    assert bench.processor.process([deliver(refused.encode())]) == []
    assert len(bench.processor.process([deliver(away.encode())])) == 1
