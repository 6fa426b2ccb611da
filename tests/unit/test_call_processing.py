"""What becomes of a call: answered, tried again, put off, or a dead letter; over fakes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from callbacks import CallbackFailed, Callbacks
from invocation import CallFailed, FunctionClient, NotNow, Said, Unreachable
from pipeline.consuming.progress import Mark
from pipeline.consuming.retries import RetryPolicy
from pipeline.errors import PipelineError, Unavailable
from pipeline.events import dead_letters
from pipeline.events.call_checks import decode_called
from pipeline.events.calls import MAX_INLINE_BYTES, FunctionCalled, Payload
from pipeline.events.cloudevents import Origin
from pipeline.events.dead_letters import DeadLetter
from pipeline.ids import CALL_BUCKET, call_key
from pipeline.kafka import topics
from processing import CallProcessor
from queued import Queue, Queued, read
from tests.fakes import MemoryStore, StubBroker
from tests.samples import called

KEY = "a key"
ORIGIN = Origin("function-calls", 0, 3)
NOW = 1000.0
URL = "http://127.0.0.1:9/"
OK = Said(200, (("X-Of", "worker"),), b"done", 0.5)

Saying = Said | Exception


class StubClient(FunctionClient):
    """A function that says what it is told to, and keeps the bodies that it was called with."""

    def __init__(self, saying: Saying) -> None:
        self.saying = saying
        self.bodies: list[bytes] = []

    def call(self, call: FunctionCalled, body: bytes) -> Said:
        self.bodies.append(body)
        if isinstance(self.saying, Exception):
            raise self.saying
        return self.saying


class StubCallbacks(Callbacks):
    """A receiver that takes every answer, or fails."""

    def __init__(self) -> None:
        self.error: PipelineError | None = None
        self.told: list[tuple[int, bytes]] = []

    def send(self, call: FunctionCalled, body: bytes) -> None:
        if self.error:
            raise self.error
        assert call.answer
        self.told.append((call.answer.status, body))


class Bench:
    """A processor, and what it leaves behind."""

    def __init__(self, saying: Saying = OK) -> None:
        self.client, self.callbacks = StubClient(saying), StubCallbacks()
        self.store, self.broker = MemoryStore(), StubBroker()
        self.processor = CallProcessor(
            self.client, self.callbacks, self.broker, self.store,
            RetryPolicy(max_attempts=3, base_seconds=1.0, max_seconds=60.0),
            key=KEY, wait_seconds=60.0, clock=lambda: NOW,
        )  # fmt: skip

    def process(self, call: FunctionCalled, **changes: bool) -> FunctionCalled | None:
        call = call.signed(KEY)
        return self.processor.process(replace(Queued(call.encode(), ORIGIN, call), **changes))  # type: ignore[arg-type]

    def retries(self) -> list[FunctionCalled]:
        return [decode_called(it, KEY) for it in self.broker.values(topics.CALLS_RETRY.name)]

    def letters(self) -> list[DeadLetter]:
        found = map(dead_letters.decode, self.broker.values(topics.FAILURES.name))
        return [letter for letter in found if isinstance(letter, DeadLetter)]


def test_a_call_without_a_callback_ends_with_its_answer() -> None:
    bench = Bench()

    assert bench.process(called()) is None
    assert bench.broker.sent == []
    assert bench.client.bodies == [b"hello"]


def test_an_answer_is_sent_on() -> None:
    bench = Bench()

    assert bench.process(called(callback_url=URL)) is None
    assert bench.callbacks.told == [(200, b"done")]


def test_a_failed_call_waits_for_its_next_attempt() -> None:
    bench = Bench(CallFailed("worker answered 500"))

    assert bench.process(called()) is None

    (again,) = bench.retries()
    assert again.attempt == 2
    assert NOW < again.not_before <= NOW + 2
    assert bench.letters() == []


def test_the_last_attempt_ends_as_a_dead_letter_and_the_receiver_is_told() -> None:
    bench = Bench(CallFailed("worker answered 500", Said(500, (), b"oh", 0.1)))

    assert bench.process(called(attempt=3, callback_url=URL)) is None

    (letter,) = bench.letters()
    assert letter.reason["code"] == "function-failed"
    assert letter.body["data"]["attempts"] == 3
    assert letter.call
    assert letter.call.body.inline == b"hello"
    assert bench.callbacks.told == [(500, b"oh")]


def test_a_function_without_room_costs_no_attempt() -> None:
    bench = Bench(NotNow("worker answered 503"))

    bench.process(called(attempt=3))

    (again,) = bench.retries()
    assert (again.attempt, again.waits, again.waiting_since) == (3, 1, NOW)


def test_a_function_that_never_has_room_ends_as_a_dead_letter() -> None:
    bench = Bench(NotNow("worker answered 503"))

    bench.process(called(waits=9, waiting_since=NOW - 60))

    (letter,) = bench.letters()
    assert letter.reason["code"] == "function-unavailable"


def test_nobody_to_ask_costs_nothing_and_writes_nothing() -> None:
    bench = Bench(Unreachable("functions cannot be called"))

    with pytest.raises(Unreachable):
        bench.process(called())

    assert bench.broker.sent == []


def test_a_receiver_that_is_away_does_not_have_the_function_called_again() -> None:
    bench = Bench()
    bench.callbacks.error = CallbackFailed("away")
    bench.process(called(callback_url=URL))
    (again,) = bench.retries()
    bench.callbacks.error = None

    assert bench.process(again) is None

    assert (again.attempt, bench.callbacks.told) == (2, [(200, b"done")])
    assert len(bench.client.bodies) == 1


def test_a_receiver_that_never_answers_ends_as_a_letter_of_the_callback() -> None:
    bench = Bench()
    bench.callbacks.error = CallbackFailed("away")
    for _ in range(3):
        left = [*bench.retries(), called(callback_url=URL)]
        latest = max(left, key=lambda call: call.attempt if call.answer else 0)
        bench.process(latest)

    (letter,) = bench.letters()
    assert letter.body["data"]["stage"] == "callback"
    assert letter.call
    assert letter.call.answer
    assert letter.call.answer.body.inline == b"done"


def test_an_answer_that_cannot_be_written_down_is_kept_and_the_call_not_made_again() -> None:
    bench = Bench()
    bench.callbacks.error, bench.broker.down = CallbackFailed("away"), True

    left = bench.process(called(callback_url=URL))

    assert left
    assert left.answer
    bench.callbacks.error = None
    assert bench.process(left) is None
    assert len(bench.client.bodies) == 1


def test_a_large_answer_waits_in_the_store() -> None:
    large = b"a" * (MAX_INLINE_BYTES + 1)
    bench = Bench(Said(200, (), large, 0.1))
    bench.callbacks.error = CallbackFailed("away")
    bench.process(called(callback_url=URL))
    bench.callbacks.error = None

    bench.process(bench.retries()[0])

    assert bench.callbacks.told == [(200, large)]
    assert bench.store.get(CALL_BUCKET, call_key(called().event_id, is_answer=True)) == large


def test_a_large_body_comes_from_the_store() -> None:
    large = b"b" * (MAX_INLINE_BYTES + 1)
    bench = Bench()
    bench.store.put(CALL_BUCKET, call_key(called().event_id), large, "")

    bench.process(called(body=Payload.of(large)))

    assert bench.client.bodies == [large]


@pytest.mark.parametrize("stored", [None, b"another"])
def test_a_body_that_is_lost_ends_as_a_dead_letter_untried(stored: bytes | None) -> None:
    bench = Bench()
    if stored:
        bench.store.put(CALL_BUCKET, call_key(called().event_id), stored, "")

    bench.process(called(body=Payload.of(b"b" * (MAX_INLINE_BYTES + 1))))

    assert [letter.reason["code"] for letter in bench.letters()] == ["body-lost"]
    assert bench.client.bodies == []


def test_a_store_that_does_not_answer_is_waited_for() -> None:
    bench = Bench()
    bench.store.down = True

    with pytest.raises(Unavailable):
        bench.process(called(body=Payload.of(b"b" * (MAX_INLINE_BYTES + 1))))

    assert bench.broker.sent == []


def test_a_bug_costs_the_call_its_attempts_and_ends() -> None:
    bench = Bench(KeyError("a bug"))

    bench.process(called())
    bench.process(called(attempt=3))

    assert len(bench.retries()) == 1
    assert [letter.reason["code"] for letter in bench.letters()] == ["internal"]


def test_a_call_that_kills_the_consumer_alone_ends_untried() -> None:
    bench = Bench()

    bench.process(called(attempt=4), was_alone=True)

    assert [letter.reason["code"] for letter in bench.letters()] == ["deadly"]
    assert bench.client.bodies == []


def test_a_message_that_nobody_vouches_for_is_buried_unread() -> None:
    bench = Bench()
    raw = called().signed("another key").encode()

    bench.processor.process(read(raw, ORIGIN, KEY))

    (letter,) = bench.letters()
    assert (letter.reason["code"], letter.raw) == ("malformed-event", raw)
    assert bench.client.bodies == []


def test_a_death_over_a_call_was_an_attempt() -> None:
    raw = called(attempt=2).signed(KEY).encode()

    queued = read(raw, ORIGIN, KEY, died=Mark(3, begun=2, alone=True), max_attempts=4)

    assert queued.call
    assert (queued.call.attempt, queued.was_alone, queued.alone) == (4, True, True)


def queue_of(*functions: str, most_of_one: int = 2) -> tuple[Queue, Callable[[], str | None]]:
    queue = Queue(most_of_one)
    for function in functions:
        call = called(function=function).signed(KEY)
        queue.add(replace(read(call.encode(), ORIGIN, KEY), due=0.0))

    def take() -> str | None:
        taken = queue.take(1.0, alone=False)
        return taken.function if taken else None

    return queue, take


def test_a_slow_function_leaves_room_for_others() -> None:
    _, take = queue_of("slow", "slow", "slow", "quick")

    assert [take() for _ in range(4)] == ["slow", "slow", "quick", None]


def test_what_was_dropped_is_held_no_more() -> None:
    queue, _ = queue_of("a", "b")

    queue.drop({("function-calls", 0)})

    assert (len(queue), queue.held_bytes) == (0, 0)
