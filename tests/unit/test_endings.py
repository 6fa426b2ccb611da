"""The ends of work in flight: one wait notices each, and none is missed."""

from __future__ import annotations

import threading
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from pipeline.consuming.endings import Endings


@pytest.fixture
def endings() -> Endings:
    return Endings()


def ended(failed: bool) -> Future[None]:
    work: Future[None] = Future()
    if failed:
        work.set_exception(ValueError("a bug"))
    else:
        work.set_result(None)
    return work


def test_nothing_ends_where_nothing_is_watched(endings: Endings) -> None:
    assert not endings.wait(0.0)


@pytest.mark.parametrize("failed", [False, True])
def test_work_that_had_ended_before_it_was_watched_is_noticed(
    endings: Endings, failed: bool
) -> None:
    endings.watch(ended(failed))

    assert endings.wait(0.0)
    assert not endings.wait(0.0)


def test_a_cancelled_one_has_ended(endings: Endings) -> None:
    work: Future[None] = Future()
    endings.watch(work)

    work.cancel()

    assert endings.wait(0.0)


def test_what_was_forgotten_wakes_nobody(endings: Endings) -> None:
    for _ in range(3):
        endings.watch(ended(failed=False))

    endings.forget()

    assert not endings.wait(0.0)


def test_the_end_wakes_who_waits(endings: Endings) -> None:
    may_end = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        endings.watch(pool.submit(may_end.wait))
        assert not endings.wait(0.01)

        may_end.set()

        assert endings.wait(60.0)
