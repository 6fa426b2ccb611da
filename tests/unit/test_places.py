"""Few uploads are stored at once, and none is sent after one that a store did not answer."""

from __future__ import annotations

import queue
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest

from pipeline.errors import Unavailable
from places import Places


def test_no_more_than_its_places_are_held() -> None:
    places, all_in, held, most = Places(2), threading.Barrier(3, timeout=10), 0, 0
    lock = threading.Lock()

    def hold() -> None:
        nonlocal held, most
        with places.one():
            with lock:
                held += 1
                most = max(most, held)
            all_in.wait()
            with lock:
                held -= 1

    with ThreadPoolExecutor(4) as pool:
        holding = [pool.submit(hold) for _ in range(4)]
        all_in.wait()
        all_in.wait()
        for each in holding:
            each.result(10)

    assert most == 2


def test_those_that_wait_are_refused_with_the_one_that_failed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: queue.SimpleQueue[None] = queue.SimpleQueue()

    class Telling(threading.BoundedSemaphore):
        def __enter__(self, *args: Any, **kwargs: Any) -> bool:
            asked.put(None)
            return self.acquire()

    monkeypatch.setattr("places.threading.BoundedSemaphore", Telling)
    places = Places(1)

    def follow() -> None:
        with places.one():
            raise AssertionError("the store was asked again")

    def lead() -> None:
        with places.one():
            asked.get(timeout=10)
            followers.append(pool.submit(follow))
            asked.get(timeout=10)  # the other one waits
            raise Unavailable("MinIO is down")

    followers: list[Future[None]] = []
    with ThreadPoolExecutor(2) as pool, pytest.raises(Unavailable, match="is down"):
        pool.submit(lead).result(10)

    with pytest.raises(Unavailable, match="before this one"):
        followers[0].result(10)


def test_after_a_failure_the_next_one_is_tried() -> None:
    places = Places(1)
    with pytest.raises(Unavailable), places.one():
        raise Unavailable("MinIO is down")

    with places.one():
        tried = True

    assert tried
