"""A client of the gateway: uploads over kept-alive connections, one at a time or many at once."""

from __future__ import annotations

import http.client
import json
import ssl
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from itertools import count
from typing import Any

from bench.checks import BenchFailed
from bench.progress import Progress
from bench.stacks.stack import BenchStack

_TIMEOUT_SECONDS = 60.0
_NOT_NOW = (429, 503)


@dataclass(frozen=True)
class Answer:
    """What an upload was answered."""

    status: int
    body: dict[str, Any]
    retry_after_seconds: float


class Client:
    """Uploads images over connections that are kept alive; safe to share between threads.

    Args:
        key: whose images they are; the stack's own when empty.
    """

    def __init__(self, stack: BenchStack, key: str = "") -> None:
        self._address = stack.gateway
        self._key = key or stack.api_key
        authority = stack.authority
        self._trusting = ssl.create_default_context(cafile=authority) if authority else None
        # Those that no thread is using.
        self._idle: deque[http.client.HTTPConnection] = deque()

    def close(self) -> None:
        """Close the connections that no thread is using; others are made when they are needed."""
        while self._idle:
            self._idle.pop().close()

    def upload(self, image: bytes, **headers: str) -> Answer:
        """POST one image.

        Raises:
            BenchFailed: refused for another reason than load.
        """
        connection = self._take()
        sent = {"X-Api-Key": self._key, "Content-Type": "image/jpeg", **headers}
        connection.request("POST", "/api/v1/images", image, sent)
        response = connection.getresponse()
        text = response.read()
        self._idle.append(connection)
        if response.status not in (200, 202, *_NOT_NOW):
            raise BenchFailed(f"an upload was answered {response.status}: {text[:300]!r}")
        retry_after = float(response.headers.get("Retry-After", "0"))
        return Answer(response.status, json.loads(text), retry_after)

    def _take(self) -> http.client.HTTPConnection:
        try:
            return self._idle.pop()
        except IndexError:
            pass
        if self._trusting is None:
            return http.client.HTTPConnection(*self._address, timeout=_TIMEOUT_SECONDS)
        return http.client.HTTPSConnection(
            *self._address, timeout=_TIMEOUT_SECONDS, context=self._trusting
        )


@dataclass(frozen=True)
class Uploaded:
    """What came of many uploads.

    Attributes:
        jobs: one for each image.
        refused: how often an image was not taken yet (429 or 503) and sent again.
        started, ended: by the monotonic clock.
    """

    jobs: list[str]
    refused: int
    started: float
    ended: float

    @property
    def per_second(self) -> float:
        """Uploads accepted a second."""
        return len(self.jobs) / (self.ended - self.started)


def upload_all(
    client: Client, image: Callable[[int], bytes], images: int, threads: int
) -> Uploaded:
    """Upload as fast as images are accepted, so many at once (closed loop)."""
    numbers, progress = count(), Progress()
    jobs: list[str] = []
    refusals: list[Answer] = []
    stopping = threading.Event()

    def work() -> None:
        while (number := next(numbers)) < images and not stopping.is_set():
            data = image(number)
            while (answer := client.upload(data)).status in _NOT_NOW:
                refusals.append(answer)
                time.sleep(answer.retry_after_seconds)
            jobs.append(answer.body["jobId"])
            progress.tell(f"{len(jobs):,} of {images:,} uploaded")

    started = time.monotonic()
    # Closed behind it: until more is uploaded the gateway may have ended them.
    with closing(client), ThreadPoolExecutor(threads) as pool:
        running = [pool.submit(work) for _ in range(threads)]
        try:
            for each in running:
                each.result()
        finally:
            stopping.set()  # one that failed, or a signal, ends the others too
    return Uploaded(jobs, len(refusals), started, time.monotonic())
