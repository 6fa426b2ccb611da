"""Uploads come in while the backlog has room, and are told when to come again when it has none."""

from __future__ import annotations

import pytest

from admission import Admission
from pipeline.errors import Unavailable
from pipeline.kafka.backlog import BacklogProbe, Reading, reading

FIRST, SECOND = ("image-uploads", 0), ("image-uploads", 1)


class Probe(BacklogProbe):
    """A backlog that a test sets; `down` answers nothing."""

    def __init__(self) -> None:
        self.reading = Reading(waiting=0, passed=0)
        self.down = False

    def read(self) -> Reading:
        if self.down:
            raise Unavailable("Kafka is down")
        return self.reading


class Door:
    """An admission whose clock and probe stand still until a test moves them."""

    def __init__(self, limit: int) -> None:
        self.now = 0.0
        self.probe = Probe()
        self.admission = Admission(self.probe, limit, lambda: self.now)

    def reads(self, waiting: int, passed: int = 0, at: float = 0.0) -> None:
        self.now, self.probe.reading = at, Reading(waiting, passed)
        self.admission.read()

    def let_in(self, count: int) -> int:
        """How many of so many uploads come in."""
        return sum(self._comes_in() for _ in range(count))

    def refusal(self) -> Unavailable:
        with pytest.raises(Unavailable) as refused, self.admission.one():
            pass
        return refused.value

    def _comes_in(self) -> bool:
        try:
            with self.admission.one():
                return True
        except Unavailable:
            return False


def test_no_more_come_in_than_there_is_room_also_between_readings() -> None:
    door = Door(limit=50)
    door.reads(waiting=20)

    assert door.let_in(100) == 30


def test_a_refusal_says_what_was_found_and_what_is_allowed() -> None:
    door = Door(limit=50)
    door.reads(waiting=70)

    refusal = door.refusal()

    assert (refusal.status, refusal.code) == (503, "backlog-full")
    assert (refusal.found, refusal.allowed) == (70, 50)


def test_there_is_room_again_when_the_backlog_drained() -> None:
    door = Door(limit=50)
    door.reads(waiting=50)
    assert door.let_in(1) == 0

    door.reads(waiting=49)

    assert door.let_in(5) == 1


def test_what_came_in_before_a_reading_is_not_counted_twice() -> None:
    door = Door(limit=50)
    assert door.let_in(30) == 30

    door.reads(waiting=30)

    assert door.let_in(100) == 20


def test_what_is_on_its_way_during_a_reading_is_counted_until_the_next() -> None:
    door = Door(limit=50)
    with door.admission.one():
        door.reads(waiting=49)
        assert door.let_in(1) == 0
    door.reads(waiting=49)

    assert door.let_in(2) == 1


def test_an_upload_that_failed_takes_no_room() -> None:
    door = Door(limit=50)
    with pytest.raises(RuntimeError), door.admission.one():
        raise RuntimeError
    door.reads(waiting=49)

    assert door.let_in(2) == 1


def test_while_kafka_does_not_answer_the_last_reading_stands() -> None:
    door = Door(limit=50)
    door.reads(waiting=50)
    door.probe.down = True

    door.reads(waiting=0)

    assert door.let_in(1) == 0


def test_a_reading_is_passed_on_and_asked_for_before_long() -> None:
    door, told = Door(limit=0), list[Reading]()
    door.admission = Admission(door.probe, 0, lambda: door.now, told.append)
    door.reads(waiting=3)

    assert [each.waiting for each in told] == [3]


def test_without_a_limit_everything_comes_in() -> None:
    door = Door(limit=0)
    door.reads(waiting=10_000_000)

    assert door.let_in(10) == 10


@pytest.mark.parametrize(
    ("waiting", "passed", "seconds"),
    [(50, 100, 1), (149, 100, 10), (100_000, 100, 60), (60, 0, 60)],
)
def test_retry_after_follows_from_the_rate_of_draining(
    waiting: int, passed: int, seconds: int
) -> None:
    door = Door(limit=50)
    door.reads(waiting=200, passed=0, at=0.0)
    door.reads(waiting=waiting, passed=passed, at=10.0)

    assert door.refusal().retry_after_seconds == seconds


def test_only_the_last_seconds_tell_the_rate() -> None:
    door = Door(limit=50)
    door.reads(waiting=5_000, passed=0, at=0.0)
    door.reads(waiting=60, passed=5_000, at=100.0)
    door.reads(waiting=59, passed=5_001, at=101.0)

    assert door.refusal().retry_after_seconds == 10


def test_a_backlog_is_what_lies_between_commits_and_ends() -> None:
    found = reading({FIRST: 7, SECOND: 2}, {FIRST: 0, SECOND: 0}, {FIRST: 10, SECOND: 2})

    assert found == Reading(waiting=3, passed=9)


def test_a_partition_without_a_commit_waits_from_its_first_event() -> None:
    found = reading({FIRST: -1001}, {FIRST: 4, SECOND: 0}, {FIRST: 10, SECOND: 5})

    assert found.waiting == 6 + 5


def test_events_that_expired_before_they_were_read_do_not_wait() -> None:
    assert reading({FIRST: 2}, {FIRST: 8}, {FIRST: 10}).waiting == 2
