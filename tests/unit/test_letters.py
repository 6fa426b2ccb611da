"""Every dead letter is counted once, and is open until it was replayed."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from imagectl.dead_letters.letters import Filter, Letters
from imagectl.dead_letters.replay import replay
from imagectl.dead_letters.table import lines, page, printable
from pipeline.errors import Unavailable
from pipeline.events.cloudevents import ImageUploaded, Origin, decode_uploaded
from pipeline.events.dead_letters import MAX_KEPT_BYTES, DeadLetter, decode, encode_failed
from pipeline.kafka import topics
from tests.fakes import StubBroker, StubReader
from tests.samples import job_id, uploaded

REASON = {"code": "damaged-image", "detail": "it is damaged"}
FAILURES = topics.FAILURES.name


@pytest.fixture
def broker() -> StubBroker:
    return StubBroker()


def fail(broker: StubBroker, event: ImageUploaded, **reason: str) -> None:
    letter = encode_failed(
        event.encode(), event, {**REASON, **reason}, Origin("image-uploads", 0, 7), stage="decode"
    )
    broker.publish(FAILURES, event.image_id, letter)


def fail_unreadable(broker: StubBroker, raw: bytes, offset: int = 3) -> None:
    origin = Origin("image-uploads", 1, offset)
    broker.publish(FAILURES, "key", encode_failed(raw, None, REASON, origin, stage="decode"))


def letters(broker: StubBroker, *names: str, **filters: Any) -> Letters:
    return Letters(StubReader(broker), Filter(frozenset(names), **filters))


def replayed(broker: StubBroker, *names: str) -> list[DeadLetter]:
    found = [shown.letter for shown in letters(broker, *names).read()]
    return list(replay(found, broker))


def jobs(found: Letters, **which: bool) -> list[str]:
    return [shown.letter.uploaded.job_id for shown in found.read(**which) if shown.letter.uploaded]


def test_a_letter_written_again_after_a_kill_is_one(broker: StubBroker) -> None:
    fail(broker, uploaded("a"))
    fail(broker, uploaded("b"))
    fail(broker, replace(uploaded("a"), redelivered=True))

    found = letters(broker)

    assert jobs(found) == [job_id("a"), job_id("b")]
    assert found.count(replayed=False) == 2


def test_a_replay_gives_the_job_its_whole_budget_again(broker: StubBroker) -> None:
    fail(broker, replace(uploaded("a"), attempt=5))

    replayed(broker)

    (value,) = broker.values(topics.bulk_of("default").name)
    event = decode_uploaded(value)
    assert (event.job_id, event.attempt, event.replays, event.redelivered) == (
        job_id("a"),
        1,
        1,
        True,
    )


def test_replaying_twice_sends_nothing_twice(broker: StubBroker) -> None:
    fail(broker, uploaded("a"))
    fail_unreadable(broker, b"\xff\x00")

    first, second = replayed(broker), replayed(broker)

    assert (len(first), len(second)) == (2, 0)
    assert sum(len(broker.values(topic.name)) for topic in topics.ACCEPTED) == 2
    assert letters(broker).count(replayed=True) == 2


def test_an_unreadable_message_is_replayed_as_it_was(broker: StubBroker) -> None:
    fail_unreadable(broker, b"\xff\x00")

    replayed(broker, "image-uploads/1/3")

    assert broker.values(topics.UPLOADS.name) == [b"\xff\x00"]


def test_what_cannot_be_sent_again_holds_back_no_other(broker: StubBroker) -> None:
    too_large = b"\xff" * (MAX_KEPT_BYTES + 1)
    fail_unreadable(broker, too_large, offset=1)
    fail_unreadable(broker, b"refused", offset=2)
    fail(broker, uploaded("a"))
    broker.refused.add(b"refused")

    (sent,) = replayed(broker)

    assert sent.uploaded
    assert sent.uploaded.job_id == job_id("a")
    assert letters(broker).count(replayed=False) == 2


def test_a_replay_that_fails_again_is_a_new_letter(broker: StubBroker) -> None:
    fail(broker, uploaded("a"))
    (first,) = replayed(broker)
    fail(broker, uploaded("a").replayed(), code="newer")

    (again,) = letters(broker).read()

    assert again.letter.letter_id != first.letter_id
    assert again.letter.reason["code"] == "newer"
    assert len(list(letters(broker, job_id("a")).read(replayed=True))) == 2


def test_a_letter_written_again_after_its_replay_stays_closed(broker: StubBroker) -> None:
    fail(broker, uploaded("a"))
    replayed(broker)
    fail(broker, uploaded("a"))

    assert jobs(letters(broker)) == []


def test_no_mark_is_written_when_the_message_is_not_acknowledged(broker: StubBroker) -> None:
    fail(broker, uploaded("a"))
    broker.down = True
    with pytest.raises(Unavailable):
        replayed(broker)
    broker.down = False

    assert len(replayed(broker)) == 1


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({"tenant": "other"}, [job_id("b", "other")]),
        ({"reason": "newer"}, [job_id("c")]),
        ({"since": 4e9}, []),
        ({"until": 4e9}, [job_id("a"), job_id("b", "other"), job_id("c")]),
        ({"tenant": "default", "reason": "damaged-image"}, [job_id("a")]),
    ],
)
def test_filters_choose(broker: StubBroker, filters: dict[str, Any], expected: list[str]) -> None:
    fail(broker, uploaded("a"))
    fail(broker, uploaded("b", tenant_id="other"))
    fail(broker, uploaded("c"), code="newer")

    assert jobs(letters(broker, **filters)) == expected


def test_a_letter_is_found_by_each_of_its_names(broker: StubBroker) -> None:
    event = uploaded("a")
    fail(broker, event)
    fail(broker, uploaded("b"))
    (shown,) = letters(broker, job_id("a")).read()

    for name in (event.image_id, shown.letter.letter_id):
        assert jobs(letters(broker, name)) == [job_id("a")]
    assert letters(broker, job_id("a"), "nobody").unknown_names() == ["nobody"]


def test_what_is_no_letter_is_counted_and_passed_over(broker: StubBroker) -> None:
    for value in (b"\xff", b"[]", b"{}", b'{"type":"ImageFailed","data":{}}', uploaded().encode()):
        broker.publish(FAILURES, "key", value)
    fail(broker, uploaded("a"))

    found = letters(broker)

    assert jobs(found) == [job_id("a")]
    assert found.foreign == 5


def test_a_letter_that_names_another_topic_is_refused(broker: StubBroker) -> None:
    letter = encode_failed(b"x", None, REASON, Origin("image-results", 0, 0), stage="decode")
    broker.publish(FAILURES, "key", letter)

    assert letters(broker).foreign == 1


def test_unreadable_bytes_are_shown_without_acting_on_the_terminal(broker: StubBroker) -> None:
    fail_unreadable(broker, b"\x1b[31mred\xff")
    (shown,) = letters(broker).read()

    text = "\n".join(lines(shown))

    assert "1b 5b 33 31 6d 72 65 64 ff" in text
    assert page(shown)["hex"] == "1b5b33316d726564ff"
    assert "\x1b" not in text + page(shown)["text"] + printable("\x1b]0;title\x07")


def test_a_mark_names_its_letter() -> None:
    event = uploaded("a")
    letter = decode(
        encode_failed(b"", event, REASON, Origin("image-uploads", 0, 1), stage="decode")
    )
    assert isinstance(letter, DeadLetter)

    topic, key, value = letter.mark()

    assert (topic, key) == (FAILURES, event.image_id)
    assert decode(value) == letter.letter_id
