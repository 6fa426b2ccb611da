"""How a handler is called: what it is given, how many calls at a time, and for how long."""

from __future__ import annotations

import logging
import socket
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from prometheus_client import Gauge
from werkzeug.datastructures import Headers, MultiDict

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
    """Every slot is taken."""


class Overdue(Exception):
    """The handler has not returned in time. Its thread goes on, and keeps its slot."""


class Calls:
    """Runs handler calls in `max_inflight` threads, and takes no more than these can run."""

    def __init__(
        self, handle: Callable[[Event, Context], Any], max_inflight: int, timeout_seconds: float
    ) -> None:
        self._handle = handle
        self._max_inflight = max_inflight
        self._timeout_seconds = timeout_seconds
        self._context = Context(socket.gethostname())
        self._slots = threading.BoundedSemaphore(max_inflight)
        self._threads = ThreadPoolExecutor(max_inflight, "handler")

    def run(self, event: Event) -> Any:
        """Return what the handler returns; raise what it raises, Busy or Overdue."""
        if not self._slots.acquire(blocking=False):
            raise Busy(f"{self._max_inflight} requests are in flight, as many as are allowed")
        IN_FLIGHT.inc()
        call = self._threads.submit(self._call, event)
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
        deadline = time.monotonic() + seconds
        return all(
            self._slots.acquire(timeout=max(0, deadline - time.monotonic()))
            for _ in range(self._max_inflight)
        )

    def _call(self, event: Event) -> Any:
        """Give the slot back before the answer is out: who has that may ask again at once."""
        try:
            return self._handle(event, self._context)
        finally:
            IN_FLIGHT.dec()
            self._slots.release()


def log_late_end(call: Future[Any]) -> None:
    logger.error("handler ended after its timeout", exc_info=call.exception())
