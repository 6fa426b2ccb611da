"""What a person sees while a long step runs: a line at its start, every few seconds, at its end."""

from __future__ import annotations

import re
import subprocess
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

HEARTBEAT_SECONDS = 8.0
_LAST_LINES = 15
_LINE_CHARACTERS = 100
_TERMINAL_CODES = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")


class StepFailed(Exception):
    """A step ended badly; the text says which, and shows the last lines of what it printed."""


def say(text: str) -> None:
    """Print one line at once, also into a pipe."""
    print(text, flush=True)


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
) -> None:
    """Run a command as a step, showing its last line, or what `describe` makes of each line.

    Args:
        answer: receives standard output, if that is an answer and not progress.

    Raises:
        StepFailed: it could not be started, or ended with another status than 0.
    """
    try:
        process = subprocess.Popen(
            command,
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
    with process, step(title, lambda: shown[:_LINE_CHARACTERS]):
        for line in process.stderr or process.stdout or ():
            last_lines.append(_TERMINAL_CODES.sub("", line).strip())
            shown = describe(last_lines[-1])
        if process.wait():
            raise StepFailed(
                f"{title}: {command[0]} ended with status {process.returncode}\n"
                + "\n".join(last_lines)
            )


def _elapsed(started: float) -> str:
    seconds = time.monotonic() - started
    return f"{seconds:.1f} s" if seconds < 60 else f"{seconds // 60:.0f} min {seconds % 60:.0f} s"
