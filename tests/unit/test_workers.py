"""How many images a call gets, and what becomes of a batch whose partition is taken away."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest

from call_limit import CallLimit
from deliveries import Delivery, read
from pending import Pending
from pipeline.consuming.endings import Endings
from pipeline.events.cloudevents import Origin
from pipeline.kafka.topics import Partition
from process import Processor
from tests.chaos.puppet import Bench
from tests.samples import uploaded
from workers import Workers

PLACE, BULK = ("image-uploads", 0), ("image-uploads-bulk-1", 0)


class Idle(Processor):
    """A processor with nothing around it."""

    def __init__(self) -> None:
        self.batches: list[Sequence[Delivery]] = []


class Unfinished(Idle):
    """A processor that can finish nothing, as when MinIO does not answer."""

    def process(self, batch: Sequence[Delivery]) -> list[Delivery]:
        return list(batch)


class Finished(Idle):
    """A processor that finishes all."""

    def process(self, batch: Sequence[Delivery]) -> list[Delivery]:
        return []


class Buggy(Idle):
    """A processor that one message is too much for, until that fails untried."""

    def process(self, batch: Sequence[Delivery]) -> list[Delivery]:
        self.batches.append(batch)
        if any(each.origin.offset == 2 and not each.problem for each in batch):
            raise ZeroDivisionError
        return []


class Clock:
    """Goes on when it is told to."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


class Allowed(CallLimit):
    """So many calls are known to pay."""

    @property
    def calls(self) -> int:
        return self.most

    def generation(self, running: int, now: float) -> int:
        return 0


def add(pending: Pending, numbers: range, place: Partition = PLACE) -> None:
    for number in numbers:
        event = uploaded(f"{place} {number}").encode()
        pending.add(read(event, Origin(*place, number), redelivered=False))


def sizes_after(seconds: float, images: int, clock: Clock, allowed: int = 8) -> list[int]:
    """Work off four images in so many seconds; then see the calls that others are given."""
    pending, bench, calls = Pending(), Bench(), list[int]()
    one = Workers(Finished(), pending, Allowed(allowed), Endings(), 32, bench, clock=clock)
    add(pending, range(4))
    one.start(lambda batch, alone: calls.append(len(batch)), alone=False)
    clock.now += seconds
    bench.batches[0].finish()
    list(one.finished())
    add(pending, range(4, 4 + images))
    one.start(lambda batch, alone: calls.append(len(batch)), alone=False)
    return calls[1:]


def test_images_are_shared_out_among_calls(clock: Clock) -> None:
    assert sizes_after(0.1, 48, clock) == [6] * 8


def test_few_images_make_few_calls(clock: Clock) -> None:
    assert sizes_after(0.1, 10, clock) == [4, 4, 2]


def test_a_call_holds_no_more_than_the_largest_batch(clock: Clock) -> None:
    assert sizes_after(0.1, 400, clock) == [32] * 8


def test_many_calls_are_small_ones(clock: Clock) -> None:
    assert sizes_after(0.1, 2000, clock, allowed=64) == [8] * 64


def test_a_slow_model_is_asked_for_few_images_at_once(clock: Clock) -> None:
    assert sizes_after(8.0, 20, clock) == [2] * 8


def kinds_begun(places: list[Partition], allowed: int = 4) -> list[str]:
    """The topics of the calls that are begun as images of these places come, one batch each."""
    pending, begun = Pending(), list[str]()
    workers = Workers(Finished(), pending, Allowed(allowed), Endings(), 4, Bench())
    for number, place in enumerate(places):
        add(pending, range(4 * number, 4 * number + 4), place)
        workers.start(lambda batch, alone: begun.append(batch[0].origin.topic), alone=False)
    return begun


def test_urgent_images_wait_for_no_call_of_others_to_end() -> None:
    begun = kinds_begun([BULK] * 9 + [PLACE] * 9)

    assert begun == [BULK[0]] * 4 + [PLACE[0]] * 2


def test_among_urgent_calls_none_is_beyond_what_is_allowed() -> None:
    assert kinds_begun([PLACE] * 9) == [PLACE[0]] * 4


def test_what_is_not_urgent_waits_until_a_call_ends() -> None:
    assert kinds_begun([PLACE] * 4 + [BULK] * 9) == [PLACE[0]] * 4


@pytest.fixture
def pending() -> Pending:
    waiting = Pending()
    add(waiting, range(1))
    return waiting


def worked_off(pending: Pending, taken_away: bool) -> list[Delivery]:
    bench = Bench()
    workers = Workers(Unfinished(), pending, CallLimit(1), Endings(), 4, bench)
    workers.start(lambda batch, alone: None, alone=False)
    if taken_away:
        workers.drop({PLACE})
    bench.batches[0].finish()
    return list(workers.finished())


def test_what_could_not_be_finished_waits_for_another_try(pending: Pending) -> None:
    assert worked_off(pending, taken_away=False) == []

    assert len(pending.take(4, now=float("inf"))) == 1


def test_what_was_taken_away_meanwhile_is_not_taken_up_again(pending: Pending) -> None:
    assert worked_off(pending, taken_away=True) == []

    assert pending.take(4, now=float("inf")) == []


def test_the_end_of_a_batch_ends_the_wait_for_it(pending: Pending) -> None:
    endings = Endings()
    with ThreadPoolExecutor(1) as pool:
        one = Workers(Finished(), pending, CallLimit(1), endings, 4, pool)
        assert not one.is_busy
        assert not endings.wait(0.0)

        one.start(lambda batch, alone: None, alone=False)

        assert one.is_busy
        assert endings.wait(60.0)
        assert len(list(one.finished())) == 1


def test_a_bug_that_ends_a_batch_costs_one_message_its_attempts(clock: Clock) -> None:
    pending, bench, buggy = Pending(), Bench(), Buggy()
    workers = Workers(buggy, pending, CallLimit(1), Endings(), 4, bench, most_bugs=3, clock=clock)
    add(pending, range(4))

    ended: list[Delivery] = []
    while len(ended) < 4:
        clock.now += 1.0
        workers.start(lambda batch, alone: None, alone=False)
        for batch in bench.unfinished():
            batch.finish()
        ended += workers.finished()

    (at_fault,) = [each for each in ended if each.problem]
    assert at_fault.event
    assert (at_fault.origin.offset, at_fault.event.attempt) == (2, 3)
    assert "ZeroDivisionError" in str(at_fault.problem)
    assert [len(batch) for batch in buggy.batches] == [4, 1, 1, 1, 1, 1, 1, 1]
