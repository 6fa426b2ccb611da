"""Asynchronous calls while what they need is killed, and what is found of each when all is over."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field

import requests

from tests.async_queue import Queue, digest
from tests.chaos.faults import ASYNC_CALLS
from tests.imagectl import imagectl
from tests.stack import until

TARGETS = ("worker", "provider", "kafka", ASYNC_CALLS, "minio", "nginx")
_SENDERS = 8
_ENDS_SECONDS = 600.0
# Of so many calls one is never answered well, and one has a body that lies in MinIO.
_FAILS_EVERY, _LARGE_EVERY = 100, 150
_LARGE_BYTES = 1_200_000


@dataclass
class Storm:
    """Calls that were accepted, each with what its body is known by.

    Attributes:
        failing: those of them that always fail.
        refused: answers that were no 202, of which nothing is promised.
    """

    queue: Queue
    accepted: dict[str, str] = field(default_factory=dict)
    failing: set[str] = field(default_factory=set)
    refused: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _sent: int = 0

    @contextmanager
    def sending(self, calls: int) -> Iterator[None]:
        """Have so many calls accepted; the block's end waits for the last."""
        with ThreadPoolExecutor(_SENDERS) as pool:
            senders = [pool.submit(self._send, calls) for _ in range(_SENDERS)]
            yield
        for sender in senders:
            sender.result()

    def wait_for(self, calls: int) -> None:
        """Wait until so many were accepted."""
        until(lambda: len(self.accepted) >= calls, _ENDS_SECONDS)

    def settle(self) -> Verdict:
        """Wait until every answer was sent on, or nothing comes any more; then tell what is so."""
        told: set[str] = set()

        def is_whole() -> bool:
            told.update(each.headers["X-Call-Id"] for each in list(self.queue.receiver.told))
            return told >= self.accepted.keys()

        try:
            until(is_whole, _ENDS_SECONDS)
        except AssertionError:
            print(f"  {len(self.accepted.keys() - told)} answers did not come", flush=True)
        return self._verdict(told)

    def _verdict(self, told: set[str]) -> Verdict:
        made: dict[str, set[str]] = {}
        times = 0
        for line in self.queue.notes.read_text().splitlines():
            call_id, _, body = line.split(" ")
            made.setdefault(call_id, set()).add(body)
            times += call_id in self.accepted
        listed = imagectl(self.queue.stack, "dead-letters", "list", "--json")
        assert listed.returncode == 0, listed.stderr
        letters = {row["callId"]: row for row in json.loads(listed.stdout) if "callId" in row}
        return Verdict(
            accepted=len(self.accepted),
            lost=sorted(it for it, body in self.accepted.items() if made.get(it) != {body}),
            untold=sorted(self.accepted.keys() - told),
            garbled=sorted(self._garbled()),
            failing=len(self.failing),
            unburied=sorted(self.failing - letters.keys()),
            blamed=sorted((self.accepted.keys() & letters.keys()) - self.failing),
            attempts=sorted({letters[it]["attempts"] for it in self.failing & letters.keys()}),
            again=times - len(self.accepted) - 4 * len(self.failing),
        )

    def _garbled(self) -> set[str]:
        """Find answers that are not the bodies which worker was to say again."""
        expected = {it: body for it, body in self.accepted.items() if it not in self.failing}
        answers = ((each.headers["X-Call-Id"], each.body) for each in self.queue.receiver.told)
        return {it for it, body in answers if expected.get(it, digest(body)) != digest(body)}

    def _send(self, calls: int) -> None:
        with requests.Session() as http:
            while (number := self._next(calls)) is not None:
                self._have_accepted(http, number)

    def _next(self, calls: int) -> int | None:
        with self._lock:
            self._sent += 1
            return self._sent if self._sent <= calls else None

    def _have_accepted(self, http: requests.Session, number: int) -> None:
        """Send a call until one is accepted; those that were refused may be made, too."""
        body = f"call {number} ".encode()
        if number % _LARGE_EVERY == 0:
            body *= _LARGE_BYTES // len(body)
        fails = number % _FAILS_EVERY == 1
        stack = self.queue.stack
        headers = {"X-Api-Key": stack.api_key, "X-Callback-Url": self.queue.receiver.url}
        url = f"{stack.url}/async-function/worker{'/status/500' if fails else '/echo'}"

        def sent() -> str | None:
            try:
                answer = http.post(url, data=body, headers=headers, timeout=60)
            except requests.RequestException:
                self.refused += 1
                return None
            if answer.status_code != 202:
                self.refused += 1
                return None
            return answer.headers["X-Call-Id"]

        call_id = until(sent, _ENDS_SECONDS)
        with self._lock:
            self.accepted[call_id] = digest(body)
            if fails:
                self.failing.add(call_id)


@dataclass(frozen=True)
class Verdict:
    """What became of the calls that were accepted.

    Attributes:
        lost: never made, or with another body.
        untold: whose answer was not sent on.
        garbled: whose answer is not what the function said.
        unburied: that always fail and have no dead letter.
        blamed: that have one and would have been answered.
        attempts: what the letters of those that always fail say.
        again: how often calls were made beyond what they had to be.
    """

    accepted: int
    lost: list[str]
    untold: list[str]
    garbled: list[str]
    failing: int
    unburied: list[str]
    blamed: list[str]
    attempts: list[int]
    again: int
