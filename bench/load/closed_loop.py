"""A closed loop over HTTP: so many clients, each sends its next image when it has an answer."""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from itertools import count

from bench.checks import BenchFailed, Labels
from bench.load.drain import Images

CLIENTS = 8

_TIMEOUT_SECONDS = 60.0
_NOT_NOW = (429, 503)
_REST_SECONDS = 0.01


@dataclass(frozen=True)
class Target:
    """What is asked.

    Attributes:
        ports: of 127.0.0.1; the clients are dealt out to them in turn.
        keep_alive: one connection a client, else one a request.
    """

    ports: Sequence[int]
    path: str
    headers: Mapping[str, str] = field(default_factory=dict)
    keep_alive: bool = True


@dataclass
class Served:
    """What came of it.

    Attributes:
        seconds: from a request to its answer, of each that was answered with labels.
        labels: of each answer.
        refused: how often an image was not taken (429 or 503) and sent again.
        elapsed: from the first request to the last answer.
    """

    seconds: list[float] = field(default_factory=list)
    labels: list[Labels] = field(default_factory=list)
    refused: int = 0
    elapsed: float = 0.0

    @property
    def per_second(self) -> float:
        """Answers a second."""
        return len(self.seconds) / self.elapsed


def closed_loop(target: Target, image: Images, seconds: float, clients: int = CLIENTS) -> Served:
    """Send images for so long, so many at a time; every client sends one at least.

    Raises:
        BenchFailed: one was answered with an error that is not load.
    """
    served, numbers = Served(), count()
    started = time.monotonic()

    def work(port: int) -> None:
        with closing(_Client(port, target)) as client:
            _ask(client, image(next(numbers)), served)
            while time.monotonic() < started + seconds:
                _ask(client, image(next(numbers)), served)

    with ThreadPoolExecutor(clients) as pool:
        ports = [target.ports[number % len(target.ports)] for number in range(clients)]
        for each in [pool.submit(work, port) for port in ports]:
            each.result()
    served.elapsed = time.monotonic() - started
    return served


def _ask(client: _Client, image: bytes, served: Served) -> None:
    began = time.monotonic()
    while (labels := client.ask(image)) is None:
        served.refused += 1
        time.sleep(_REST_SECONDS)
    served.seconds.append(time.monotonic() - began)
    served.labels.append(labels)


class _Client:
    def __init__(self, port: int, target: Target) -> None:
        self._target = target
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_TIMEOUT_SECONDS)

    def close(self) -> None:
        self._connection.close()

    def ask(self, image: bytes) -> Labels | None:
        """Send one image; None when it is not taken now."""
        if not self._target.keep_alive:
            self._connection.close()
        headers = {"Content-Type": "image/jpeg", **self._target.headers}
        self._connection.request("POST", self._target.path, image, headers)
        response = self._connection.getresponse()
        text = response.read()
        if response.status in _NOT_NOW:
            return None
        if response.status != http.client.OK:
            raise BenchFailed(f"an image was answered {response.status}: {text[:300]!r}")
        labels: Labels = json.loads(text)["labels"]
        return labels
