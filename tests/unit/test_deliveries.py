"""Which deliveries may be worked on, and as which attempt."""

from __future__ import annotations

import time

import pytest

from deliveries import Delivery, read
from pending import Pending
from pipeline.consuming.progress import Mark
from pipeline.events.cloudevents import Origin
from tests.samples import uploaded


def delivery(name: str, offset: int = 0, due: float = 0.0) -> Delivery:
    event = uploaded(name)
    origin = Origin("image-uploads", 0, offset)
    return read(event.encode(), origin, redelivered=False).later(due)


def test_a_single_delivery_is_a_batch() -> None:
    pending = Pending()
    pending.add(delivery("a"))

    assert len(pending.take(32, now=1.0)) == 1


def test_a_batch_is_bounded_and_in_order() -> None:
    pending = Pending()
    for offset in range(5):
        pending.add(delivery(str(offset), offset))

    assert [each.origin.offset for each in pending.take(3, now=1.0)] == [0, 1, 2]
    assert [each.origin.offset for each in pending.take(3, now=1.0)] == [3, 4]


def test_equal_images_go_together_or_one_after_the_other_never_at_once() -> None:
    pending = Pending()
    for offset, name in enumerate(["a", "a", "b"]):
        pending.add(delivery(name, offset))
    first = pending.take(2, now=1.0)
    pending.add(delivery("a", 3))

    assert [each.origin.offset for each in first] == [0, 1]
    assert [each.origin.offset for each in pending.take(9, now=1.0)] == [2]
    pending.release(first)
    assert [each.origin.offset for each in pending.take(9, now=1.0)] == [3]


def test_a_retry_waits_for_its_time_and_holds_nobody_back() -> None:
    pending = Pending()
    pending.add(delivery("late", 0, due=10.0))
    pending.add(delivery("now", 1))

    assert [each.origin.offset for each in pending.take(9, now=5.0)] == [1]
    assert [each.origin.offset for each in pending.take(9, now=10.0)] == [0]


@pytest.mark.parametrize("jump_hours", [-5, 5])
def test_a_clock_that_jumped_makes_no_retry_wait_longer(
    monkeypatch: pytest.MonkeyPatch, jump_hours: int
) -> None:
    retry = uploaded("a").again(time.time() + 60)
    wall_time = time.time
    monkeypatch.setattr(time, "time", lambda: wall_time() + jump_hours * 3600)

    origin = Origin("image-uploads-retry", 0, 0)
    waiting = read(retry.encode(), origin, redelivered=False, longest_wait_seconds=72.0)

    assert waiting.due <= time.monotonic() + 72


def test_what_was_put_off_is_looked_up_before_it_is_inferred_again() -> None:
    again = delivery("a").later(1.0)

    assert again.event is not None
    assert again.event.redelivered


def test_a_revoked_partition_is_dropped() -> None:
    pending = Pending()
    pending.add(delivery("a"))

    pending.drop({("image-uploads", 0)})

    assert pending.take(9, now=1.0) == []


def test_each_time_the_consumer_died_of_it_was_an_attempt() -> None:
    origin = Origin("image-uploads-retry", 0, 7)
    raw = uploaded(attempt=2).encode()

    died = read(raw, origin, redelivered=True, died=Mark(7, begun=2, alone=True))

    assert died.event is not None
    assert died.event.attempt == 4
    assert died.was_alone


@pytest.mark.parametrize(("attempt", "begun"), [(3, 0), (2, 1), (3, 1), (1_000_000, 1)])
def test_a_last_attempt_is_made_alone(attempt: int, begun: int) -> None:
    pending = Pending()
    for offset, (attempts, crashes) in enumerate([(1, 0), (attempt, begun), (1, 1)]):
        raw = uploaded(str(offset), attempt=attempts).encode()
        origin = Origin("image-uploads", 0, offset)
        died = Mark(offset, crashes)
        pending.add(read(raw, origin, redelivered=False, died=died, max_attempts=3))
    now = time.monotonic()

    in_company = pending.take(9, now)

    assert [each.origin.offset for each in in_company] == [0, 2]
    assert pending.has_one_alone(now)
    assert [each.origin.offset for each in pending.take_alone(now)] == [1]
    assert not pending.has_one_alone(now)


def test_an_attempt_that_nobody_of_ours_can_have_counted_holds_up_no_other() -> None:
    raw, origin = uploaded("forged", attempt=1_000_000).encode(), Origin("image-uploads", 0, 0)

    assert not read(raw, origin, redelivered=False, max_attempts=3).alone


def test_a_first_attempt_is_made_in_company_though_there_is_no_other() -> None:
    raw, origin = uploaded("a").encode(), Origin("image-uploads", 0, 0)

    assert not read(raw, origin, redelivered=False, max_attempts=1).alone
