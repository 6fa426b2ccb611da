"""When a part is started again, and what a probe that misbehaves is told as."""

from __future__ import annotations

import threading
import time

import pytest

from local.services.supervision.backoff import Backoff
from local.services.supervision.probe_loop import Prober
from tests.stack import until


class Clock:
    """Monotonic time that a test moves."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def _wait_seconds(backoff: Backoff, clock: Clock) -> float:
    backoff.begin()
    began = clock.now
    while not backoff.is_over:
        clock.now += 0.25
    return clock.now - began


def test_a_part_that_never_becomes_healthy_waits_twice_as_long_each_time() -> None:
    clock = Clock()
    backoff = Backoff(clock)

    waits = [_wait_seconds(backoff, clock) for _ in range(8)]

    assert waits == [0.5, 1, 2, 4, 8, 16, 30, 30]


def test_a_part_that_was_healthy_is_back_soon_however_often_it_is_killed() -> None:
    clock = Clock()
    backoff = Backoff(clock)
    waits = []
    for _ in range(5):
        backoff.note_health()
        clock.now += 1
        waits.append(_wait_seconds(backoff, clock))

    assert waits == [0.5, 1, 1, 1, 1]


def test_a_part_that_was_steady_starts_its_waits_anew() -> None:
    clock = Clock()
    backoff = Backoff(clock)
    for _ in range(5):
        _wait_seconds(backoff, clock)

    backoff.note_health()
    clock.now += 11

    assert _wait_seconds(backoff, clock) == 0.5


@pytest.mark.parametrize("jump_hours", [-5, 5])
def test_a_jump_of_the_wall_clock_changes_no_wait(
    monkeypatch: pytest.MonkeyPatch, jump_hours: int
) -> None:
    short, long = Backoff(), Backoff()
    short.begin()
    for _ in range(7):
        long.begin()
    wall_time = time.time
    monkeypatch.setattr(time, "time", lambda: wall_time() + jump_hours * 3600)

    assert not long.is_over  # for half a minute
    assert until(lambda: short.is_over)


def test_a_probe_that_hangs_is_told_until_it_comes_back() -> None:
    back = threading.Event()

    def probe() -> str:
        back.wait()
        return ""

    prober = Prober(probe, lambda: None, hanging_seconds=0.05)

    try:
        assert until(lambda: prober.answer) == "its probe does not come back within 0.05 s"
        back.set()
        assert until(lambda: prober.answer == "")
    finally:
        back.set()
        prober.end()


def test_a_probe_that_raises_is_told_and_asked_again() -> None:
    errors = [ValueError("odd")]
    told: list[str | None] = []
    known = threading.Event()

    def probe() -> str:
        known.wait()
        if errors:
            raise errors.pop()
        return ""

    prober = Prober(probe, lambda: told.append(prober.answer))
    known.set()

    try:
        assert until(lambda: prober.answer == "")
        assert told[0] == "cannot be probed: ValueError('odd')"
    finally:
        prober.end()
