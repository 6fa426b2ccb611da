"""A process makes its function once, says why when it cannot, and whose a request is."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any

import pytest

from pipeline.errors import Unavailable
from pipeline.http.entry import Entry
from pipeline.http.identity import TOKEN_HEADER, Signer, Verifier


def test_the_function_is_made_at_the_first_need_and_once() -> None:
    made: list[object] = []

    def make() -> object:
        time.sleep(0.01)  # long enough for the others to come in
        made.append(object())
        return made[-1]

    entry = Entry(make)
    before = len(made)
    with ThreadPoolExecutor(8) as pool:
        got = list(pool.map(lambda _: entry.get(), range(8)))

    assert before == 0
    assert got == [made[0]] * 8


def test_it_is_tried_again_while_a_dependency_does_not_answer() -> None:
    attempts = iter([Unavailable("no model was published"), "function"])

    def make() -> object:
        attempt = next(attempts)
        if isinstance(attempt, Exception):
            raise attempt
        return attempt

    entry = Entry(make)

    assert entry.why_not_ready() == "no model was published"
    assert entry.why_not_ready() is None
    assert entry.get() == "function"


def test_what_can_never_be_made_is_not_told_as_not_yet() -> None:
    def make() -> object:
        raise ValueError("the model's digest does not fit")

    with pytest.raises(ValueError, match="digest"):
        Entry(make).why_not_ready()


def test_only_what_was_made_is_closed() -> None:
    closed: list[str] = []
    entry = Entry(lambda: "function")

    entry.close(closed.append)
    entry.get()
    entry.close(closed.append)

    assert closed == ["function"]


def request(token: str, path: str = "/") -> Any:
    return SimpleNamespace(headers={TOKEN_HEADER: token}, method="POST", path=path)


def test_whose_a_request_is_is_told_by_its_token_alone() -> None:
    entry = Entry(lambda: Verifier("image-upload", {"gateway": "a key", "consumer": "another"}))
    gateway = Signer("gateway", "image-upload", "a key")
    consumer = Signer("consumer", "image-upload", "another")
    press = gateway.sign("POST", "/", scopes=(), lifetime_seconds=60, tenant="press")
    of_nobody = consumer.sign("POST", "/", scopes=(), lifetime_seconds=60)

    before = entry.tenant_of(request(press), lambda verifier: verifier)
    entry.get()

    def told(event: Any) -> str:
        return entry.tenant_of(event, lambda verifier: verifier)

    assert before == ""
    assert told(request(press)) == "press"
    assert [told(request(press, "/other")), told(request("")), told(request(of_nobody))] == [""] * 3
