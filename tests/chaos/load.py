"""The load: distinct images uploaded by a number of threads, each request written in the ledger."""

from __future__ import annotations

import hashlib
import http.client
import json
import secrets
import select
import socket
import ssl
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

from pipeline.ids import JobIds
from tests.chaos.ledger import ACCEPTED, Ledger
from tests.chaos.pictures import Source
from tests.stack import Stack

TENANT = "default"
_TIMEOUT_SECONDS = 30.0
# After anything but a 202: the service is not overrun, and its healing is seen soon.
_PAUSE_SECONDS = 0.1


class Load:
    """Uploads until told enough; every attempt is a new image, so none is sent twice."""

    def __init__(
        self,
        stack: Stack,
        ledger: Ledger,
        sources: Sequence[Source],
        threads: int = 4,
        per_second: float | None = None,
        poison: Source | None = None,
        poison_every: int = 100,
        series: str | None = None,
    ) -> None:
        """Prepare a load.

        Args:
            sources: good pictures, sent in turns.
            per_second: requests a second of all threads together; None: as fast as answered.
            poison: sent in place of every `poison_every`-th picture.
            series: loads of the same series send the same images; one of its own when not given.
        """
        self.accepted = 0
        self.refused = 0  # 429 and 503
        self.unanswered = 0
        self.otherwise = 0  # any other status
        self._stack = stack
        self._ledger = ledger
        self._sources = sources
        self._threads = threads
        self._per_second = per_second
        self._poison = poison
        self._poison_every = poison_every
        self._series = series or secrets.token_hex(4)
        self._jobs = JobIds(stack.secret("job-signing-key"))
        self._key = stack.api_key
        self._lock = threading.Lock()
        self._next = 0
        self._in_flight = 0
        self._enough: int | None = None
        self._stopping = threading.Event()
        self._started = 0.0

    @property
    def sent(self) -> int:
        """Requests sent so far."""
        return self._next

    def run(self, accepted: int, seconds: float | None = None) -> None:
        """Upload until so many are accepted, in all, or the time is over."""
        self._enough = accepted
        with self.running():
            deadline = time.monotonic() + seconds if seconds else float("inf")
            while self.accepted < accepted and time.monotonic() < deadline:
                time.sleep(0.05)

    @contextmanager
    def running(self) -> Iterator[None]:
        """Upload while the block runs; at its end wait for the answers that are due.

        Raises:
            Exception: whatever ended one of the threads, which is a bug of the harness.
        """
        self._stopping.clear()
        self._started = time.monotonic() - (
            self._next / self._per_second if self._per_second else 0
        )
        with ThreadPoolExecutor(self._threads, thread_name_prefix="load") as pool:
            working = [pool.submit(self._work) for _ in range(self._threads)]
            try:
                yield
            finally:
                self._stopping.set()
            for each in working:
                each.result()

    def _work(self) -> None:
        connection = self._connection()
        while not self._stopping.is_set():
            number = self._take_number()
            if number is None:
                time.sleep(_PAUSE_SECONDS)  # the last ones are under way, and may be refused
                continue
            self._wait_for_turn(number)
            if self._send(connection, number) != ACCEPTED:
                self._stopping.wait(_PAUSE_SECONDS)
        connection.close()

    def _connection(self) -> http.client.HTTPConnection:
        address = urlsplit(self._stack.url).netloc
        if self._stack.authority is None:
            return http.client.HTTPConnection(address, timeout=_TIMEOUT_SECONDS)
        trusting = ssl.create_default_context(cafile=self._stack.authority)
        return http.client.HTTPSConnection(address, timeout=_TIMEOUT_SECONDS, context=trusting)

    def _take_number(self) -> int | None:
        """Take the next number, unless what is under way may be enough."""
        with self._lock:
            if self._enough is not None and self.accepted + self._in_flight >= self._enough:
                return None
            self._in_flight += 1
            self._next += 1
            return self._next - 1

    def _wait_for_turn(self, number: int) -> None:
        if self._per_second:
            self._stopping.wait(self._started + number / self._per_second - time.monotonic())

    def _send(self, connection: http.client.HTTPConnection, number: int) -> int | None:
        source = self._source(number)
        data = source.numbered(self._series, number)
        request = self._ledger.note_sending(
            sent_at=time.time(),
            image_id=hashlib.sha256(data).hexdigest(),
            source=source.name,
            kind=source.kind,
            tenant=TENANT,
        )
        status, body = self._post(connection, data)
        if status is not None:
            answer = self._accepted(body) if status == ACCEPTED else {"refusal": _detail(body)}
            self._ledger.note_answer(request, answered_at=time.time(), status=status, **answer)
        self._count(status)
        return status

    def _source(self, number: int) -> Source:
        if self._poison and number % self._poison_every == self._poison_every - 1:
            return self._poison
        return self._sources[number % len(self._sources)]

    def _post(
        self, connection: http.client.HTTPConnection, data: bytes
    ) -> tuple[int | None, bytes]:
        if _is_dropped(connection):
            connection.close()  # the next request opens it again, as any client would
        try:
            connection.request("POST", "/api/v1/images", data, {"X-Api-Key": self._key})
            response = connection.getresponse()
            return response.status, response.read()
        except (OSError, http.client.HTTPException):
            connection.close()
            return None, b""

    def _accepted(self, body: bytes) -> dict[str, Any]:
        answer = json.loads(body)
        # Opened with the key: a job id that was not issued here raises, and ends the run.
        job = self._jobs.read(answer["jobId"], TENANT)
        return {
            "job_id": job.job_id,
            "answered_image_id": answer["imageId"],
            "model_id": job.model_id,
        }

    def _count(self, status: int | None) -> None:
        with self._lock:
            self._in_flight -= 1
            if status is None:
                self.unanswered += 1
            elif status == ACCEPTED:
                self.accepted += 1
            elif status in (429, 503):
                self.refused += 1
            else:
                self.otherwise += 1


def _detail(problem: bytes) -> str:
    try:
        return str(json.loads(problem)["detail"])
    except (ValueError, KeyError, TypeError):
        return ""


def _is_dropped(connection: http.client.HTTPConnection) -> bool:
    """Tell whether the server has closed a kept connection: nothing else is to be read there."""
    sock: socket.socket | None = connection.sock
    return sock is not None and bool(select.select([sock], [], [], 0)[0])
