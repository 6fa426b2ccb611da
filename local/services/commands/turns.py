"""Who may change a stack: one `make up`, `down` or `clean` at a time, and down comes first."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from local.machine import files, processes
from local.services.progress import StepFailed, say
from local.services.settings import Stack

_POLL_SECONDS = 0.05
_LONGEST_WAIT_SECONDS = 200.0  # longer than a `make up` takes to stop what it started


@contextmanager
def starting(stack: Stack) -> Iterator[None]:
    """Keep other `make up`s away; a `make down` at work is waited for.

    Raises:
        StepFailed: another `make up` is at work.
    """
    with ExitStack() as held:
        with files.lock(_down_lock(stack)):
            try:
                held.enter_context(files.lock(up_lock(stack), wait=False))
            except files.Busy as busy:
                text = f"`make up` is at work on this stack already: process {busy}"
                raise StepFailed(text) from busy
        yield


@contextmanager
def stopping(stack: Stack) -> Iterator[None]:
    """Keep all others away; a `make up` at work is told to stop, and waited for.

    Raises:
        StepFailed: it does not stop.
    """
    with files.lock(_down_lock(stack)):
        _end_up(stack)
        with files.lock(up_lock(stack)):
            yield


def up_lock(stack: Stack) -> Path:
    """Also what tells a folder that was made by `make up`."""
    return stack.state_dir / "up.lock"


def _down_lock(stack: Stack) -> Path:
    return stack.state_dir / "down.lock"


def at_work(stack: Stack) -> int | None:
    """The process of a `make up` that is at work, found without disturbing it."""
    with suppress(FileNotFoundError, ValueError):
        pid = int(up_lock(stack).read_text(encoding="ascii"))
        is_up = "local.services up" in processes.command_line(pid)
        return pid if is_up else None
    return None


def _end_up(stack: Stack) -> None:
    told = ""
    deadline = time.monotonic() + _LONGEST_WAIT_SECONDS
    while pid := _holder(up_lock(stack)):
        if pid != told:
            told = pid
            say(f"`make up` is at work on this stack: process {pid} is told to stop.")
            with suppress(ProcessLookupError):
                os.kill(int(pid), signal.SIGTERM)
        if time.monotonic() > deadline:
            raise StepFailed(f"`make up`, process {pid}, does not stop: `kill -9 {pid}` ends it.")
        time.sleep(_POLL_SECONDS)


def _holder(path: Path) -> str:
    while True:
        try:
            with files.lock(path, wait=False):
                return ""
        except files.Busy as busy:
            if str(busy):  # else it has not yet written who it is
                return str(busy)
