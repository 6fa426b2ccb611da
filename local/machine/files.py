"""How a stack's files are written: whole or not at all, private when they hold a secret."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

PRIVATE = 0o600
PUBLIC = 0o644


class Busy(Exception):
    """Another process holds the lock; the text is what it wrote about itself."""


def write(path: Path, text: str, mode: int = PUBLIC) -> None:
    """Replace a file in one step, so that a reader or a crash never sees half of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    try:
        with open(descriptor, "w", encoding="utf-8") as file:
            os.fchmod(file.fileno(), mode)
            file.write(text)
        unfinished.rename(path)
    except OSError:  # the disk is full
        unfinished.unlink(missing_ok=True)
        raise


def write_json(path: Path, record: object) -> None:
    """Replace a file in one step by what `json` makes of a record."""
    write(path, json.dumps(record, indent=1) + "\n")


@contextmanager
def lock(path: Path, *, wait: bool = True) -> Iterator[None]:
    """Hold a lock that ends with this process, however it ends.

    Raises:
        Busy: it is held by another process, and `wait` is false.
    """
    with _locked(path, wait=wait) as file:
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield


def _locked(path: Path, *, wait: bool) -> IO[str]:
    while True:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("a+", encoding="utf-8")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError as error:
            with file:
                file.seek(0)
                raise Busy(file.read()) from error
        if _is_at(path, file):
            return file
        file.close()  # removed while it was waited for: whoever comes next locks another file


def _is_at(path: Path, file: IO[str]) -> bool:
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False
