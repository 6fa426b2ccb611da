"""One part of the stack as the supervisor keeps it: started, probed, restarted, stopped."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import subprocess
import time
from collections.abc import Callable
from typing import IO

from local.machine import processes
from local.machine.processes import Process
from local.services.isolation.launching import Launching
from local.services.progress import StepFailed
from local.services.settings import ROOT, Stack
from local.services.supervision.backoff import Backoff
from local.services.supervision.parts import Part, base_environment
from local.services.supervision.probe_loop import Prober

logger = logging.getLogger(__name__)

_POLL_SECONDS = 0.02


class Supervised:
    """A part and its process; everything but the probing runs in the supervisor's main thread.

    `state` is waiting, starting, healthy, unhealthy, restarting, stopping or stopped; a step's is
    done or failed at its end.
    """

    def __init__(
        self, part: Part, stack: Stack, launching: Launching, wake: Callable[[], None]
    ) -> None:
        self.part = part
        self.state = "waiting"
        self.wrong = ""
        self.restarts = 0
        self._stack = stack
        self._launching = launching
        self._wake = wake
        self._backoff = Backoff()
        self._process: subprocess.Popen[bytes] | None = None
        self._prober: Prober | None = None
        self._is_recorded = False

    @property
    def is_ready(self) -> bool:
        """Whether parts that need this one may start."""
        return self.state in ("healthy", "done")

    def start(self) -> None:
        """Start the process; one that cannot be started is tried again like one that ended."""
        try:
            self._process = self._start()
        except (OSError, ValueError, StepFailed) as error:
            logger.error("%s: cannot be started: %s", self.part.name, error)
            self._postpone(f"cannot be started: {error}")
            return
        self.state, self.wrong = "starting", ""
        logger.info("%s: started as process %d", self.part.name, self._process.pid)
        if self.part.probe:
            self._is_recorded = False
            self._record(self._process.pid)
            self._prober = Prober(self.part.probe, self._wake)

    def attend(self) -> None:
        """Take in what happened since: an answer, the process' end, a backoff that is over."""
        if self._process and _has_ended(self._process):
            self._bury(self._process)
        elif self._process and self._prober:
            self._record(self._process.pid)
            self._take(self._prober.answer)
        elif self.state == "restarting" and self._backoff.is_over:
            self.restarts += 1
            self.start()

    def note_stopping(self) -> None:
        """Say beforehand that its turn to stop will come."""
        if self.part.probe:
            self.state = "stopping"

    def stop(self) -> None:
        """End the process, by SIGKILL when its grace is over; returns when it is gone."""
        process, self._process = self._process, None
        if process:
            self.state = "stopping"
            self._end_probing()
            self._end(process)
        if self.part.probe:
            processes.forget(self._stack.run_dir, self.part.name)
            self.state = "stopped"

    def _start(self) -> subprocess.Popen[bytes]:
        """Start the process so that it ends with the supervisor, however that ends."""
        if self.part.prepare:
            self.part.prepare()
        # The parent-death signal follows the thread that forks: this must be the main thread.
        name, ports = self.part.name, tuple(self.part.ports.values())
        own = self._launching.environment(name)
        with self._log() as log:
            self._launching.give(name)
            return subprocess.Popen(
                self._launching.command(name, self.part.command, ports),
                cwd=ROOT,
                env={**base_environment(), **own, **self.part.environment},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def _log(self) -> IO[bytes]:
        """The part's log; nowhere if it cannot be opened, for the part matters more."""
        try:
            return (self._stack.logs_dir / f"{self.part.name}.log").open("ab")
        except OSError as error:
            logger.error("%s: runs without a log: %s", self.part.name, error)
            return open(os.devnull, "ab")

    def _record(self, pid: int) -> None:
        """Write its run file, at a later time if there is no room on the disk now."""
        started = None if self._is_recorded else processes.start_time(pid)
        if started is None:
            return
        name, ports = self.part.name, self.part.ports
        process = Process(name, pid, started, ports=ports, restarts=self.restarts)
        with contextlib.suppress(OSError):
            processes.record(self._stack.run_dir, process)
            self._is_recorded = True

    def _take(self, wrong: str | None) -> None:
        if wrong is None:
            return
        state = "unhealthy" if wrong and self.state != "starting" else self.state
        state = state if wrong else "healthy"
        if state != self.state:
            logger.info("%s: %s %s", self.part.name, state, wrong)
        if state == "healthy":
            self._backoff.note_health()
        self.state, self.wrong = state, wrong

    def _bury(self, process: subprocess.Popen[bytes]) -> None:
        """Treat a process that ended by itself: a step has its result, a service starts again."""
        _signal_group(process, signal.SIGKILL)  # what it left behind may hold its port
        status = process.wait()
        self._process = None
        self._end_probing()
        logger.info("%s: ended with status %d", self.part.name, status)
        if not self.part.probe and not status:
            self.state, self.wrong = "done", ""
            return
        processes.forget(self._stack.run_dir, self.part.name)
        self._postpone(f"ended with status {status}")

    def _postpone(self, wrong: str) -> None:
        self.wrong = wrong
        if not self.part.probe:
            self.state = "failed"
            return
        self.state = "restarting"
        self._backoff.begin()

    def _end_probing(self) -> None:
        if self._prober:
            self._prober.end()
            self._prober = None

    def _end(self, process: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + self.part.grace_seconds
        _signal_group(process, signal.SIGTERM)
        while not _has_ended(process) and time.monotonic() < deadline:
            time.sleep(_POLL_SECONDS)
        if not _has_ended(process):
            logger.warning("%s: killed after %g s", self.part.name, self.part.grace_seconds)
        _signal_group(process, signal.SIGKILL)
        process.wait()


def _has_ended(process: subprocess.Popen[bytes]) -> bool:
    """Look without reaping: while the zombie is there, its pid and group are nobody else's."""
    return os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def _signal_group(process: subprocess.Popen[bytes], number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, number)
