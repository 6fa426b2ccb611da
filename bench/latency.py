"""Latency at a low rate: from the intended moment of an upload to its result."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from bench.arrivals import Arrivals
from tests.stack import LocalStack

PER_SECOND = 5.0
_CLIENTS = 16


@dataclass(frozen=True)
class Latency:
    """Milliseconds; the 50th, 95th and 99th of a hundred."""

    p50: float
    p95: float
    p99: float


def percentiles(seconds: list[float]) -> Latency:
    """Take the nearest-rank percentiles of at least one time."""
    ordered = sorted(seconds)

    def rank(percent: int) -> float:
        index = max(0, -(-len(ordered) * percent // 100) - 1)
        return ordered[index] * 1000

    return Latency(rank(50), rank(95), rank(99))


def to_event(stack: LocalStack, photos: list[bytes]) -> Latency:
    """Open loop: a slow answer does not delay the next upload; ends with the result event."""
    with Arrivals(stack) as arrivals:
        sent = _open_loop(stack, photos, {})
        arrivals.wait_for(len(photos), 60)
        return percentiles([arrivals.of(job) - intended for intended, _, job in sent])


def to_answer(stack: LocalStack, photos: list[bytes]) -> Latency:
    """Open loop with `Prefer: wait`: ends with the HTTP answer that holds the result."""
    sent = _open_loop(stack, photos, {"Prefer": "wait=10"})
    return percentiles([answered - intended for intended, answered, _ in sent])


def _open_loop(
    stack: LocalStack, photos: list[bytes], headers: dict[str, str]
) -> list[tuple[float, float, str]]:
    """Upload each photo at its moment; returns intended and answered moment and job id of each."""
    begin = time.monotonic() + 0.5

    def send(number: int) -> tuple[float, float, str]:
        intended = begin + number / PER_SECOND
        time.sleep(max(0.0, intended - time.monotonic()))
        response = stack.upload(photos[number], **headers)
        assert response.status_code in (200, 202), response.text
        return intended, time.monotonic(), response.json()["jobId"]

    with ThreadPoolExecutor(_CLIENTS) as pool:
        return list(pool.map(send, range(len(photos))))
