"""Arrivals on schedule, whatever comes back: each upload has its instant, late or not."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

from bench.load.client import Answer
from bench.progress import Progress

# Enough for every upload to wait for its result for seconds and none to start late.
_THREADS = 64


@dataclass(frozen=True)
class Sent:
    """One upload: the instant it was meant for, when it began and ended, and its answer."""

    intended: float
    began: float
    ended: float
    answer: Answer


def open_loop(upload: Callable[[int], Answer], per_second: float, seconds: float) -> list[Sent]:
    """Upload at a steady rate; return all in the order they were meant."""
    count, progress = round(per_second * seconds), Progress()
    started = time.monotonic()
    running: list[Future[Sent]] = []
    with ThreadPoolExecutor(_THREADS) as pool:
        for number in range(count):
            intended = started + number / per_second
            time.sleep(max(0.0, intended - time.monotonic()))
            running.append(pool.submit(_send, upload, number, intended))
            progress.tell(f"{number + 1:,} of {count:,} sent")
        return [each.result() for each in running]


def _send(upload: Callable[[int], Answer], number: int, intended: float) -> Sent:
    began = time.monotonic()
    answer = upload(number)
    return Sent(intended, began, time.monotonic(), answer)
