"""How many handler calls a replica takes at a time, and how many of one sender."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from threading import Event
from typing import Any

import pytest
from werkzeug.datastructures import Headers, MultiDict

from tests.stack import ROOT

PATIENCE_SECONDS = 60


def test_whoever_has_an_answer_may_ask_again_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(ROOT / "template" / "python3-pipeline")
    from runtime import calls

    is_waited_for, was_looked_at = Event(), Event()
    ask, go_on = Future.result, Future._invoke_callbacks  # type: ignore[attr-defined]

    def result(call: Future[Any], seconds: float) -> Any:
        is_waited_for.set()
        return ask(call, seconds)

    def invoke_callbacks(call: Future[Any]) -> None:
        """Be a thread that gets no processor once its answer is out."""
        was_looked_at.wait(PATIENCE_SECONDS)
        go_on(call)

    monkeypatch.setattr(Future, "result", result)
    monkeypatch.setattr(Future, "_invoke_callbacks", invoke_callbacks)
    one_at_a_time = calls.Calls(
        lambda event, context: is_waited_for.wait(PATIENCE_SECONDS), 1, 1024, PATIENCE_SECONDS
    )
    try:
        answer = one_at_a_time.run(0, lambda: calls.Event(b"", Headers(), "GET", MultiDict(), "/"))
        has_room = one_at_a_time.wait_until_idle(0)
    finally:
        was_looked_at.set()

    assert (answer, has_room) == (True, True)


class Senders:
    """Requests of several senders, each in flight until `all_may_end`."""

    def __init__(self, calls: Any, max_inflight: int, max_held_bytes: int) -> None:
        self._module = calls
        self._may_end = Event()
        self._threads = ThreadPoolExecutor(max_inflight + 1)  # one is refused
        self._calls = calls.Calls(
            lambda event, context: self._may_end.wait(PATIENCE_SECONDS),
            max_inflight,
            max_held_bytes,
            PATIENCE_SECONDS,
        )
        self._in_flight: list[Future[Any]] = []

    def taken(self, sender: str, at_most: int, body_bytes: int = 0) -> int:
        """Send until one is refused; how many were in flight by then."""
        for number in range(at_most):
            begun = Event()
            call = self._threads.submit(self._run, sender, body_bytes, begun)
            while not begun.wait(0.01):
                if call.done():
                    self.refusal = call.exception()
                    return number
            self._in_flight.append(call)
        return at_most

    def refused(self, sender: str) -> str:
        """Send one that is refused; say how."""
        with pytest.raises(self._module.Busy) as told:
            self._run(sender, 0, Event())
        return str(told.value)

    def all_may_end(self) -> None:
        self._may_end.set()
        for call in self._in_flight:
            assert call.result(PATIENCE_SECONDS) is True
        self._threads.shutdown()

    def _run(self, sender: str, body_bytes: int, begun: Event) -> Any:
        def receive() -> Any:
            begun.set()
            return self._module.Event(b"", Headers(), "GET", MultiDict(), "/")

        return self._calls.run(body_bytes, receive, sender)


@pytest.fixture
def senders(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    monkeypatch.syspath_prepend(ROOT / "template" / "python3-pipeline")
    from runtime import calls

    @contextmanager
    def make(max_inflight: int, max_held_bytes: int = 1024) -> Iterator[Senders]:
        made = Senders(calls, max_inflight, max_held_bytes)
        try:
            yield made
        finally:
            made.all_may_end()

    return make


def test_a_sender_leaves_room_for_the_next_one(senders: Callable[..., Any]) -> None:
    with senders(32) as sent:
        first = sent.taken("first", 32)
        first_refused = sent.refusal
        taken = [first, sent.taken("second", 32), sent.taken("third", 32)]
        refused = sent.refusal

    assert taken == [24, 6, 2]
    assert str(first_refused) == (
        "24 of 32 requests that may be in flight are yours; the rest is left to others"
    )
    assert str(refused) == "32 requests are in flight, as many as are allowed"


def test_where_nobody_says_whose_they_are_all_room_is_taken(senders: Callable[..., Any]) -> None:
    with senders(8) as sent:
        assert sent.taken("", 9) == 8
        assert str(sent.refusal) == "8 requests are in flight, as many as are allowed"


@pytest.mark.parametrize("max_inflight", [1, 2])
def test_the_least_servers_serve_anybody(senders: Callable[..., Any], max_inflight: int) -> None:
    with senders(max_inflight) as sent:
        assert sent.taken("alone", max_inflight) == max_inflight


def test_bodies_in_memory_are_shared_alike(senders: Callable[..., Any]) -> None:
    with senders(16, max_held_bytes=1000) as sent:
        assert sent.taken("first", 16, body_bytes=100) == 8
        assert str(sent.refusal) == (
            "800 of 1000 bytes that may be in flight are yours; the rest is left to others"
        )
        assert sent.taken("second", 16, body_bytes=100) == 2


def test_what_is_given_back_may_be_had_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(ROOT / "template" / "python3-pipeline")
    from runtime.shares import Shares

    shares = Shares(4)
    shares.take("first", 3)
    while_held = (shares.held_at_most("first"), shares.held_at_most("second"), shares.has_room(2))
    shares.give_back("first", 3)

    assert while_held == (3, None, False)
    assert (shares.held_at_most("first"), shares.has_room(4)) == (None, True)


def test_who_is_refused_has_held_nothing_meanwhile(senders: Callable[..., Any]) -> None:
    with senders(4) as sent, ThreadPoolExecutor(16) as threads:
        assert sent.taken("crowd", 4) == 3
        refused = [threads.submit(sent.refused, "crowd") for _ in range(2000)]
        others = sent.taken("other", 1)

    assert others == 1
    assert {each.result() for each in refused} <= {
        "3 of 4 requests that may be in flight are yours; the rest is left to others",
        "4 requests are in flight, as many as are allowed",
    }
