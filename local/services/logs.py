"""The logs of a stack: kept within bounds, and shown."""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TextIO

LARGEST_BYTES = 10_000_000
_POLL_SECONDS = 0.3


def rotate(logs_dir: Path, largest_bytes: int = LARGEST_BYTES) -> None:
    """Copy logs that grew too large to <name>.log.1, and empty them.

    Their writers keep them open, each appending, so the file must stay the same one.
    """
    for path in logs_dir.glob("*.log"):
        with contextlib.suppress(FileNotFoundError):  # a replica's log goes with the replica
            if path.stat().st_size > largest_bytes:
                shutil.copyfile(path, path.with_name(f"{path.name}.1"))
                os.truncate(path, 0)


def tail(path: Path, lines: int) -> list[str]:
    """The last lines of a log; none when there is no such file."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - lines * 300))
            text = file.read().decode(errors="replace")
    except FileNotFoundError:
        return []
    return text.splitlines()[-lines:]


def find(logs_dir: Path, name: str | None) -> list[Path]:
    """Every log, or those of one service or of the replicas of one function."""
    found = sorted(logs_dir.glob("*.log"))
    wanted = [path for path in found if not name or path.stem == name]
    return wanted or [path for path in found if path.stem.startswith(f"{name}-")]


def follow(paths: list[Path]) -> Iterator[tuple[str, str]]:
    """Yield (log, line) as lines are written, until the reader stops asking."""
    with ExitStack() as opened:
        files = {path.stem: opened.enter_context(path.open(errors="replace")) for path in paths}
        for file in files.values():
            file.seek(0, os.SEEK_END)
        while True:
            lines = [(name, line) for name, file in files.items() for line in _new_lines(file)]
            yield from lines
            if not lines:
                time.sleep(_POLL_SECONDS)


def _new_lines(file: TextIO) -> list[str]:
    if os.fstat(file.fileno()).st_size < file.tell():  # rotated meanwhile
        file.seek(0)
    return [line.rstrip("\n") for line in file.readlines()]
