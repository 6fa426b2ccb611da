"""How a handler is called: what it is given, how many calls at a time, and for how long."""

from __future__ import annotations

import logging
import socket
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from prometheus_client import Gauge
from werkzeug.datastructures import Headers, MultiDict

from runtime.shares import Shares

logger = logging.getLogger(__name__)

IN_FLIGHT = Gauge(
    "function_requests_in_flight",
    "Handler calls that have not returned, those already answered 504 included",
)


@dataclass(frozen=True)
class Event:
    """One request, as handlers see it; `path` starts after /function/NAME."""

    body: bytes
    headers: Headers
    method: str
    query: MultiDict[str, str]
    path: str


@dataclass(frozen=True)
class Context:
    hostname: str


class Busy(Exception):
    """Every slot is taken, or all the memory for bodies, or what one sender may have of them."""

    def __init__(self, text: str, allowed: int) -> None:
        super().__init__(text)
        self.allowed = allowed


class Overdue(Exception):
    """The handler has not returned in time. Its thread goes on, and keeps its slot and body."""


class Calls:
    """Runs handler calls in `max_inflight` threads, and takes no more than these can run."""

    def __init__(
        self,
        handle: Callable[[Event, Context], Any],
        max_inflight: int,
        max_held_bytes: int,
        timeout_seconds: float,
    ) -> None:
        self._handle = handle
        self._calls = Shares(max_inflight)
        self._bytes = Shares(max_held_bytes)
        self._changed = threading.Condition()
        self._timeout_seconds = timeout_seconds
        self._context = Context(socket.gethostname())
        self._threads = ThreadPoolExecutor(max_inflight, "handler")

    def run(self, body_bytes: int, receive: Callable[[], Event], sender: str = "") -> Any:
        """Return what the handler returns; raise what it raises, Busy or Overdue.

        Args:
            receive: makes the event, once there is a slot for it and memory for its body.
            sender: whose request it is, who leaves room for others; empty: it is not known.
        """
        self._take(body_bytes, sender)
        try:
            call = self._threads.submit(self._call, receive(), body_bytes, sender)
        except BaseException:
            self._give_back(body_bytes, sender)
            raise
        try:
            return call.result(self._timeout_seconds)
        except TimeoutError as error:
            if call.done():  # the handler's own TimeoutError
                raise
            call.add_done_callback(log_late_end)
            message = f"the handler took longer than {self._timeout_seconds:g} s"
            raise Overdue(message) from error

    def wait_until_idle(self, seconds: float) -> bool:
        """Wait for every call to return, then let no new one begin; say whether all did."""
        with self._changed:
            is_idle = self._changed.wait_for(lambda: not self._calls.all_held, seconds)
            if is_idle:
                self._calls.take("", self._calls.whole)
            return is_idle

    def _call(self, event: Event, body_bytes: int, sender: str) -> Any:
        """Give the slot back before the answer is out: who has that may ask again at once."""
        try:
            return self._handle(event, self._context)
        finally:
            self._give_back(body_bytes, sender)

    def _take(self, body_bytes: int, sender: str) -> None:
        with self._changed:
            self._check(body_bytes, sender)
            self._calls.take(sender, 1)
            self._bytes.take(sender, body_bytes)
        IN_FLIGHT.inc()

    def _check(self, body_bytes: int, sender: str) -> None:
        if not self._calls.has_room(1):
            most = self._calls.whole
            raise Busy(f"{most} requests are in flight, as many as are allowed", most)
        if not self._bytes.has_room(body_bytes):
            most = self._bytes.whole
            raise Busy(f"the bodies in flight leave no room of {most} bytes for this one", most)
        for shares, what in ((self._calls, "requests"), (self._bytes, "bytes")):
            if (held := shares.held_at_most(sender)) is not None:
                text = f"{held} of {shares.whole} {what} that may be in flight are yours"
                raise Busy(f"{text}; the rest is left to others", held)

    def _give_back(self, body_bytes: int, sender: str) -> None:
        with self._changed:
            self._calls.give_back(sender, 1)
            self._bytes.give_back(sender, body_bytes)
            self._changed.notify_all()
        IN_FLIGHT.dec()


def log_late_end(call: Future[Any]) -> None:
    logger.error("handler ended after its timeout", exc_info=call.exception())
