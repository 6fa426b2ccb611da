"""The logs of a stack: kept within bounds, and shown."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TextIO

LARGEST_BYTES = 10_000_000
_POLL_SECONDS = 0.3
_CHUNK_BYTES = 256 * 1024


def rotate(paths: Iterable[Path], largest_bytes: int = LARGEST_BYTES) -> None:
    """Keep the end of logs that grew too large as <name>.log.1, and empty them.

    Their writers keep them open, each appending, so the file must stay the same one; what is
    written between the copy and the emptying is lost. Replicas' logs are the provider's to rotate.
    """
    for path in paths:
        with contextlib.suppress(FileNotFoundError):  # a part that has not been started yet
            if path.stat().st_size > largest_bytes:
                _keep_end(path, largest_bytes)
                os.truncate(path, 0)


def _keep_end(path: Path, largest_bytes: int) -> None:
    """Copy no more than that, also of a log that grows faster than it is copied."""
    kept = path.with_name(f"{path.name}.1")
    kept.unlink(missing_ok=True)  # first: on a full disk it is the room for the next one
    try:
        with path.open("rb") as file, kept.open("wb") as copy:
            file.seek(-largest_bytes, os.SEEK_END)
            left_bytes = largest_bytes - len(file.readline())
            while chunk := file.read(min(left_bytes, _CHUNK_BYTES)):
                copy.write(chunk)
                left_bytes -= len(chunk)
    except OSError:  # no room: the log must become smaller all the same
        kept.unlink(missing_ok=True)


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
        files: dict[str, TextIO] = {}
        for path in paths:
            files[path.stem] = opened.enter_context(path.open(errors="replace"))
        for file in files.values():
            file.seek(0, os.SEEK_END)
        while True:
            lines = [(name, line) for name, file in files.items() for line in _new_lines(file)]
            yield from lines
            if not lines:
                time.sleep(_POLL_SECONDS)
                files.update({name: _reopened(file, opened) for name, file in files.items()})


def _new_lines(file: TextIO) -> list[str]:
    if os.fstat(file.fileno()).st_size < file.tell():  # emptied meanwhile
        file.seek(0)
    return [line.rstrip("\n") for line in file.readlines()]


def _reopened(file: TextIO, opened: ExitStack) -> TextIO:
    """The file that has the name now: a replica's log is renamed when it has grown too large."""
    path = Path(file.name)
    try:
        if os.path.samestat(path.stat(), os.fstat(file.fileno())):
            return file
        newer = opened.enter_context(path.open(errors="replace"))
    except FileNotFoundError:
        return file
    file.close()
    return newer
