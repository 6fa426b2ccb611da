"""What a person sees while a long step runs: a line at its start, every few seconds, at its end."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TextIO

from local.machine import addresses

HEARTBEAT_SECONDS = 8.0
_LAST_LINES = 15
_LINE_CHARACTERS = 100
# With it a command ends when we are killed; before Debian's packages are there, it may be missing.
_SETPRIV = ("setpriv", "--pdeathsig", "TERM", "--")
_running: set[subprocess.Popen[str]] = set()
_TERMINAL_CODES = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")


class StepFailed(Exception):
    """A step ended badly; the text says which, and shows the last lines of what it printed."""


def say(text: str) -> None:
    """Print one line at once, also into a pipe; a terminal that was closed is no reason to stop."""
    try:
        print(text, flush=True)
    except OSError:
        silence()


def silence(stream: TextIO | None = None) -> None:
    """Print to nobody from now on: whoever read the stream, by default stdout, is gone."""
    with open(os.devnull, "wb") as nowhere:
        os.dup2(nowhere.fileno(), (stream or sys.stdout).fileno())


def end_running() -> None:
    """Tell the commands that `run` waits for to end, those that must not be broken off excepted."""
    for process in list(_running):
        process.terminate()


@contextmanager
def step(title: str, detail: Callable[[], str] = str) -> Iterator[None]:
    """Say what begins, repeat it with the time and `detail` while it lasts, and what it took."""
    started = time.monotonic()
    ended = threading.Event()
    say(f"  {title} …")

    def beat() -> None:
        while not ended.wait(HEARTBEAT_SECONDS):
            what = detail()
            say(f"  {title} … {_elapsed(started)}{': ' if what else ''}{what}")

    heart = threading.Thread(target=beat, daemon=True)
    heart.start()
    try:
        yield
    finally:
        ended.set()
        heart.join()
    say(f"  {title}: done in {_elapsed(started)}")


def run(
    title: str,
    command: Sequence[str | Path],
    *,
    environment: Mapping[str, str] | None = None,
    folder: Path | None = None,
    describe: Callable[[str], str] = str,
    answer: IO[str] | None = None,
    may_end: bool = True,
) -> None:
    """Run a command as a step, showing its last line, or what `describe` makes of each line.

    Args:
        answer: receives standard output, if that is an answer and not progress.
        may_end: false for a command that must come to its end, whatever becomes of us.

    Raises:
        StepFailed: it could not be started, or ended with another status than 0.
    """
    if shutil.which(command[0], path=(environment or os.environ).get("PATH")) is None:
        raise StepFailed(f"{title}: cannot run {command[0]}: there is no such program")
    with_us = _SETPRIV if may_end and shutil.which(_SETPRIV[0]) else ()
    try:
        process = subprocess.Popen(
            [*with_us, *command],
            env=environment,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=answer or subprocess.PIPE,
            stderr=subprocess.PIPE if answer else subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
        )
    except OSError as error:
        raise StepFailed(f"{title}: cannot run {command[0]}: {error.strerror}") from error
    last_lines: deque[str] = deque(maxlen=_LAST_LINES)
    shown = ""
    with ending(process, may_end=may_end), step(title, lambda: shown[:_LINE_CHARACTERS]):
        for line in process.stderr or process.stdout or ():
            last_lines.append(addresses.hide(_TERMINAL_CODES.sub("", line).strip()))
            shown = describe(last_lines[-1])
        if process.wait():
            raise StepFailed(
                f"{title}: {command[0]} ended with status {process.returncode}\n"
                + "\n".join(last_lines)
            )


@contextmanager
def ending(process: subprocess.Popen[str], *, may_end: bool = True) -> Iterator[None]:
    """Wait for the process' end; until then `end_running` finds it, if it may be broken off."""
    if may_end:
        _running.add(process)
    try:
        with process:
            yield
    finally:
        _running.discard(process)


def _elapsed(started: float) -> str:
    seconds = time.monotonic() - started
    return f"{seconds:.1f} s" if seconds < 60 else f"{seconds // 60:.0f} min {seconds % 60:.0f} s"
