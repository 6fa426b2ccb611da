"""A tenant's uploads wait for each other where they would make another tenant's wait."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from concurrency_limit import ConcurrencyLimit, Used, used_by_this_thread
from tests.stack import until

SECONDS = 60.0
# A wait for what never comes.
LOOK_SECONDS = 0.05


class Uploads:
    """Uploads that are worked on until they may end, where time stands still.

    Attributes:
        begun: which are worked on or were, in order.
        waited: seconds that each waits for a processor while it has one for a second.
        now: what the clock says.
    """

    def __init__(self, threads: ThreadPoolExecutor, stalled_seconds: float) -> None:
        self.begun: list[str] = []
        self.waited = 0.0
        self.now = 0.0
        self._threads = threads
        self._may_end: dict[str, threading.Event] = {}
        self._futures: dict[str, Future[None]] = {}
        self._used = Used(0.0, 0.0)
        self.limit = ConcurrencyLimit(
            used=self._use, clock=lambda: self.now, stalled_seconds=stalled_seconds
        )

    def come(self, tenant: str, name: str, *, is_awaited: bool = False) -> None:
        """Let an upload come; it is worked on, or waits, by then."""
        self._may_end[name] = threading.Event()
        self._futures[name] = self._threads.submit(self._work, tenant, name, is_awaited)
        until(lambda: name in self.begun or self._all_others_wait(), SECONDS)

    def end(self, *names: str) -> None:
        """Let uploads end, and see them do so."""
        for name in names:
            self._may_end[name].set()
            self._futures.pop(name).result(SECONDS)

    def others_are_there(self, *, waiting: float) -> None:
        """Let uploads of two tenants come and go; each waits so long while it works for 1 s."""
        self.waited = waiting
        for number in range(10):
            for tenant in ("crowd", "other"):
                self.come(tenant, f"{tenant} before {number}")
                self.end(f"{tenant} before {number}")
        self.begun.clear()

    def end_all(self) -> None:
        while self._futures:
            until(lambda: any(name in self.begun for name in self._futures), SECONDS)
            self.end(*[name for name in self._futures if name in self.begun])

    def _work(self, tenant: str, name: str, is_awaited: bool) -> None:
        with self.limit.one(tenant, is_awaited=is_awaited):
            self.begun.append(name)
            assert self._may_end[name].wait(SECONDS)

    def _all_others_wait(self) -> bool:
        waiting = sum(each not in self.begun for each in self._futures)
        return sum(len(queue) for queue in list(self.limit._waiting.values())) >= waiting

    def _use(self) -> Used:
        self._used = Used(self._used.running + 1.0, self._used.waiting + self.waited)
        return self._used


@pytest.fixture
def uploads() -> Iterator[Uploads]:
    with ThreadPoolExecutor(32) as threads:
        made = Uploads(threads, SECONDS)
        yield made
        made.end_all()


def crowd(uploads: Uploads) -> None:
    for number in range(4):
        uploads.come("crowd", f"crowd {number}")


def test_uploads_of_a_crowd_wait_for_each_other_while_others_are_there(uploads: Uploads) -> None:
    uploads.others_are_there(waiting=10.0)

    crowd(uploads)
    uploads.come("other", "other")
    at_first = list(uploads.begun)
    uploads.end("crowd 0")
    until(lambda: len(uploads.begun) == 3, SECONDS)

    assert at_first == ["crowd 0", "other"]
    assert uploads.begun[2] == "crowd 1"


def test_a_tenant_that_is_alone_has_no_limit(uploads: Uploads) -> None:
    uploads.others_are_there(waiting=10.0)
    uploads.now += 6.0  # the other one is gone by then

    crowd(uploads)

    assert len(uploads.begun) == 4


def test_there_is_no_limit_while_processors_are_to_be_had(uploads: Uploads) -> None:
    uploads.others_are_there(waiting=0.1)

    crowd(uploads)

    assert len(uploads.begun) == 4


def test_a_crowd_that_comes_among_others_is_let_in_one_by_one(uploads: Uploads) -> None:
    uploads.come("other", "other")

    crowd(uploads)
    at_first = list(uploads.begun)
    uploads.end("crowd 0")
    until(lambda: len(uploads.begun) == 4, SECONDS)

    assert at_first == ["other", "crowd 0"]
    assert sorted(uploads.begun[2:]) == ["crowd 1", "crowd 2"]


def test_the_limit_falls_when_processors_are_short_again(uploads: Uploads) -> None:
    uploads.others_are_there(waiting=0.1)
    uploads.others_are_there(waiting=10.0)

    crowd(uploads)

    assert uploads.begun == ["crowd 0"]


def test_what_is_waited_for_goes_before_others_of_its_tenant(uploads: Uploads) -> None:
    uploads.others_are_there(waiting=10.0)
    crowd(uploads)

    uploads.come("crowd", "awaited", is_awaited=True)
    uploads.end("crowd 0")
    until(lambda: len(uploads.begun) == 2, SECONDS)

    assert uploads.begun == ["crowd 0", "awaited"]


def test_nobody_waits_behind_work_that_stands_still() -> None:
    with ThreadPoolExecutor(32) as threads:
        uploads = Uploads(threads, LOOK_SECONDS)
        uploads.others_are_there(waiting=10.0)
        crowd(uploads)
        while_it_moves = len(uploads.begun)
        uploads.now += LOOK_SECONDS
        until(lambda: len(uploads.begun) == 4, SECONDS)
        uploads.end_all()

    assert while_it_moves == 1


def test_the_kernel_tells_what_a_thread_has_had() -> None:
    before = used_by_this_thread()
    sum(range(2_000_000))
    after = used_by_this_thread()

    assert after.running > before.running
    assert after.waiting >= before.waiting
