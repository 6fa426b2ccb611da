"""One part of the stack as the supervisor keeps it: started, probed, restarted, stopped."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable

from local.services import debian, processes
from local.services.parts import Part, base_environment
from local.services.probes import Probe
from local.services.processes import Process
from local.services.settings import ROOT, Stack

logger = logging.getLogger(__name__)

FIRST_BACKOFF_SECONDS = 0.5
LONGEST_BACKOFF_SECONDS = 30.0
_STEADY_SECONDS = 60.0  # a service that ran this long starts its backoff anew
_PROBE_SECONDS = 2.0
_FIRST_PROBES_SECONDS = 0.1
_POLL_SECONDS = 0.02


class Supervised:
    """A part and its process; everything but the probing runs in the supervisor's main thread.

    `state` is waiting, starting, healthy, unhealthy, restarting, stopping or stopped; a step's is
    done or failed at its end.
    """

    def __init__(self, part: Part, stack: Stack, wake: Callable[[], None]) -> None:
        self.part = part
        self.state = "waiting"
        self.wrong = ""
        self.restarts = 0
        self._stack = stack
        self._wake = wake
        self._backoff_seconds = FIRST_BACKOFF_SECONDS
        self._started_at = 0.0
        self._restart_at = 0.0
        self._process: subprocess.Popen[bytes] | None = None
        # The last probe's answer, and of which process: the probing thread writes nothing else.
        self._answer: tuple[int, str] | None = None

    @property
    def is_ready(self) -> bool:
        """Whether parts that need this one may start."""
        return self.state in ("healthy", "done")

    def start(self) -> None:
        """Start the process so that it ends with the supervisor, however that ends."""
        if self.part.prepare:
            self.part.prepare()
        # The parent-death signal follows the thread that forks: this must be the main thread.
        command = [str(debian.setpriv()), "--pdeathsig", "TERM", "--", *self.part.command]
        with (self._stack.logs_dir / f"{self.part.name}.log").open("ab") as log:
            self._process = subprocess.Popen(
                command,
                cwd=ROOT,
                env={**base_environment(), **self.part.environment},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._started_at = time.monotonic()
        self.state = "starting"
        logger.info("%s: started as process %d", self.part.name, self._process.pid)
        if self.part.probe:
            self._record(self._process.pid)
            arguments = (self._process.pid, self.part.probe)
            threading.Thread(target=self._probe, args=arguments, daemon=True).start()

    def attend(self) -> None:
        """Take in what happened since: an answer, the process' end, a backoff that is over."""
        if self._process and _has_ended(self._process):
            self._bury(self._process)
        elif self._process and self._answer and self._answer[0] == self._process.pid:
            self._take(self._answer[1])
        elif self.state == "restarting" and time.monotonic() >= self._restart_at:
            self.restarts += 1
            self.start()

    def stop(self) -> None:
        """End the process, by SIGKILL when its grace is over; returns when it is gone."""
        process, self._process = self._process, None
        if process:
            self.state = "stopping"
            self._end(process)
        if self.part.probe:
            processes.forget(self._stack.run_dir, self.part.name)
            self.state = "stopped"

    def _record(self, pid: int) -> None:
        started = processes.start_time(pid)
        if started is not None:
            process = Process(
                self.part.name, pid, started, ports=self.part.ports, restarts=self.restarts
            )
            processes.record(self._stack.run_dir, process)

    def _probe(self, pid: int, probe: Probe) -> None:
        """Ask until the process is another or none; often while it starts."""
        while self._process and self._process.pid == pid:
            answer = (pid, probe())
            if answer != self._answer:
                self._answer = answer
                self._wake()
            time.sleep(_FIRST_PROBES_SECONDS if self.state == "starting" else _PROBE_SECONDS)

    def _take(self, wrong: str) -> None:
        state = "unhealthy" if wrong and self.state != "starting" else self.state
        state = state if wrong else "healthy"
        if state != self.state:
            logger.info("%s: %s %s", self.part.name, state, wrong)
        self.state, self.wrong = state, wrong

    def _bury(self, process: subprocess.Popen[bytes]) -> None:
        """Treat a process that ended by itself: a step has its result, a service starts again."""
        _signal_group(process, signal.SIGKILL)  # what it left behind may hold its port
        status = process.wait()
        self._process = None
        self.wrong = f"ended with status {status}" if status or self.part.probe else ""
        logger.info("%s: ended with status %d", self.part.name, status)
        if not self.part.probe:
            self.state = "failed" if status else "done"
            return
        processes.forget(self._stack.run_dir, self.part.name)
        if time.monotonic() - self._started_at > _STEADY_SECONDS:
            self._backoff_seconds = FIRST_BACKOFF_SECONDS
        self.state = "restarting"
        self._restart_at = time.monotonic() + self._backoff_seconds
        self._backoff_seconds = min(self._backoff_seconds * 2, LONGEST_BACKOFF_SECONDS)

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
