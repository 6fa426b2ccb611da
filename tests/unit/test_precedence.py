"""Who has the model: a batch to its end, with urgent images in between, and neither for ever."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack

import pytest

from precedence import Turn
from tests.stack import until

SECONDS = 60.0


class Calls:
    """Calls that want the model, each in a thread of its own; who had it, in order."""

    def __init__(self, threads: ThreadPoolExecutor) -> None:
        self.turn = Turn()
        self.had: list[str] = []
        self._threads = threads

    def comes(self, name: str, *, is_urgent: bool) -> Future[None]:
        """Let a call come that ends at once when it had its turn; it waits by then."""
        before = self._waiting
        future = self._threads.submit(self._have, name, is_urgent)
        until(lambda: self._waiting > before, SECONDS)
        return future

    def _have(self, name: str, is_urgent: bool) -> None:
        with self.turn.held(is_urgent=is_urgent):
            self.had.append(name)

    @property
    def _waiting(self) -> int:
        return self.turn._urgent_waiting + self.turn._others_waiting


@pytest.fixture
def calls() -> Iterator[Calls]:
    with ThreadPoolExecutor(16) as threads:
        yield Calls(threads)


def ended(*calls: Future[None]) -> None:
    for call in calls:
        call.result(SECONDS)


def test_urgent_calls_go_before_batches_that_came_first(calls: Calls) -> None:
    with calls.turn.held():
        waiting = [
            calls.comes("batch", is_urgent=False),
            calls.comes("urgent", is_urgent=True),
        ]
    ended(*waiting)

    assert calls.had == ["urgent", "batch"]


def test_a_batch_lets_urgent_calls_in_and_goes_on_before_other_batches(calls: Calls) -> None:
    with calls.turn.held():
        other = calls.comes("other batch", is_urgent=False)
        urgent = calls.comes("urgent", is_urgent=True)
        calls.turn.give_way()
        calls.had.append("the rest of the batch")
    ended(other, urgent)

    assert calls.had == ["urgent", "the rest of the batch", "other batch"]


def test_nobody_is_let_in_where_nobody_is_urgent(calls: Calls) -> None:
    with calls.turn.held():
        other = calls.comes("other batch", is_urgent=False)
        calls.turn.give_way()
        calls.had.append("the whole batch")
    ended(other)

    assert calls.had == ["the whole batch", "other batch"]


def test_after_some_urgent_calls_a_batch_has_its_turn(calls: Calls) -> None:
    with calls.turn.held():
        batch = calls.comes("batch", is_urgent=False)
        urgent = [calls.comes("urgent", is_urgent=True) for _ in range(7)]
    ended(batch, *urgent)

    assert calls.had.index("batch") == 3


def test_a_batch_that_had_to_wait_goes_on_for_some_images(calls: Calls) -> None:
    began, enough = threading.Event(), threading.Event()
    images = 0

    def work() -> None:
        nonlocal images
        with calls.turn.held():
            began.set()
            while not enough.is_set():
                calls.turn.give_way()
                images += "urgent" not in calls.had[3:]

    with ExitStack() as first:
        first.enter_context(calls.turn.held())
        batch = calls._threads.submit(work)
        until(lambda: calls._waiting == 1, SECONDS)
        urgent = [calls.comes("urgent", is_urgent=True) for _ in range(4)]
    assert began.wait(SECONDS)
    until(lambda: len(calls.had) == 4, SECONDS)
    enough.set()
    ended(batch, *urgent)

    assert images == 8
