"""Throughput: a run with uploads and classification at once, and a backlog drained alone."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import requests

from bench.arrivals import Arrivals
from bench.processes import Usage, cpu_between, usage
from tests.stack import LocalStack

CLIENTS = 8
_LONGEST_SECONDS = 300.0


@dataclass(frozen=True)
class Drain:
    """What one run took; CPU seconds are per image, by service."""

    images: int
    images_per_second: float
    cpu_seconds: dict[str, float]
    labels: set[str]

    @property
    def total_cpu_seconds(self) -> float:
        """CPU seconds per image, every process of the stack counted."""
        return sum(self.cpu_seconds.values())


def upload_all(stack: LocalStack, photos: list[bytes]) -> float:
    """Upload with 8 clients, each on one connection; returns uploads per second."""
    headers = {"X-Api-Key": stack.api_key}

    def send(own: list[bytes]) -> None:
        with requests.Session() as session:
            session.headers.update(headers)
            for photo in own:
                response = session.post(f"{stack.url}/api/v1/images", photo, timeout=60)
                assert response.status_code == 202, response.text

    started = time.monotonic()
    with ThreadPoolExecutor(CLIENTS) as pool:
        list(pool.map(send, [photos[index::CLIENTS] for index in range(CLIENTS)]))
    return len(photos) / (time.monotonic() - started)


def together(stack: LocalStack, photos: list[bytes]) -> Drain:
    """Measure from the first upload to the last result, uploads and their CPU included."""
    before, started = usage(stack.state_dir), time.monotonic()
    with Arrivals(stack) as arrivals:
        upload_all(stack, photos)
        arrivals.wait_for(len(photos), _LONGEST_SECONDS)
        rate = len(photos) / (arrivals.times()[-1] - started)
        return _drain(stack, arrivals, before, rate, len(photos))


def backlog(stack: LocalStack, photos: list[bytes]) -> tuple[Drain, float]:
    """Upload while no classifier runs, then measure the drain alone; also uploads per second."""
    stack.scale("image-classifier", 0)
    with Arrivals(stack) as arrivals:
        uploads_per_second = upload_all(stack, photos)
        stack.scale("image-classifier", 1)
        before = usage(stack.state_dir)
        arrivals.wait_for(len(photos), _LONGEST_SECONDS)
        times = arrivals.times()
        rate = (len(times) - 1) / (times[-1] - times[0])
        return _drain(stack, arrivals, before, rate, len(photos)), uploads_per_second


def _drain(
    stack: LocalStack, arrivals: Arrivals, before: dict[str, Usage], rate: float, count: int
) -> Drain:
    used = cpu_between(before, usage(stack.state_dir))
    per_image = {name: seconds / count for name, seconds in used.items()}
    return Drain(count, rate, per_image, arrivals.labels())
