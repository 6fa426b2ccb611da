"""Asks one process' probe again and again, in a thread of its own; one that hangs is told too."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from local.services.supervision.probes import Probe

logger = logging.getLogger(__name__)

HANGING_SECONDS = 10.0  # longer than any probe's own timeouts
_OFTEN_SECONDS = 0.1  # until it is healthy for the first time
_PROBE_SECONDS = 2.0
# Of one that has been healthy for a minute: each probe wakes the service as well.
_SETTLED_SECONDS = 60.0
_SETTLED_PROBE_SECONDS = 5.0


class Prober:
    """Knows what is wrong with a process: empty for nothing, None before the first answer."""

    def __init__(
        self, probe: Probe, wake: Callable[[], None], hanging_seconds: float = HANGING_SECONDS
    ) -> None:
        self._probe = probe
        self._wake = wake
        self._hanging_seconds = hanging_seconds
        self._answer: str | None = None
        self._asking_since: float | None = None
        self._ended = threading.Event()
        threading.Thread(target=self._ask_on, name="probe", daemon=True).start()

    @property
    def answer(self) -> str | None:
        """The last answer, or that none comes any more."""
        since = self._asking_since
        if since is not None and time.monotonic() - since > self._hanging_seconds:
            return f"its probe does not come back within {self._hanging_seconds:g} s"
        return self._answer

    def end(self) -> None:
        """Ask no more. A probe that hangs is not waited for."""
        self._ended.set()

    def _ask_on(self) -> None:
        pause_seconds, healthy_since = _OFTEN_SECONDS, None
        while not self._ended.is_set():
            self._asking_since = time.monotonic()
            answer = self._ask()
            changed, self._answer, self._asking_since = answer != self._answer, answer, None
            if changed:
                self._wake()
                healthy_since = None if answer else time.monotonic()
            if healthy_since is not None:
                pause_seconds = _pause_seconds(time.monotonic() - healthy_since)
            else:
                pause_seconds = min(pause_seconds, _PROBE_SECONDS)
            self._ended.wait(pause_seconds)

    def _ask(self) -> str:
        try:
            return self._probe()
        except Exception as error:  # whatever it is, the thread must go on asking
            logger.exception("a probe failed")
            return f"cannot be probed: {error!r}"


def _pause_seconds(healthy_seconds: float) -> float:
    return _PROBE_SECONDS if healthy_seconds < _SETTLED_SECONDS else _SETTLED_PROBE_SECONDS
