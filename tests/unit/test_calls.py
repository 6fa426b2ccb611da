"""How many handler calls a replica takes at a time."""

from __future__ import annotations

from concurrent.futures import Future
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
