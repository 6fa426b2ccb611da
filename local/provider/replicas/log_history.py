"""What the replicas of a function have written so far, read from their files in time order."""

from __future__ import annotations

import asyncio
import heapq
import os
import re
from collections import deque
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from itertools import islice
from pathlib import Path
from typing import BinaryIO

from local.provider.replicas.replica_log import Line

BATCH_LINES = 1000
STAMPED = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z) (.*)", re.DOTALL)
LOG_NAME = re.compile(r"(.+)-\d+\.log(\.1)?")
LONG_AGO = "1970-01-01T00:00:00.000000Z"


class History:
    """The logs as they are now: what is written or rotated later is no part of it."""

    def __init__(self, logs_dir: Path, function: str, instance: str) -> None:
        self._opened = ExitStack()
        self._files: dict[str, list[tuple[BinaryIO, int]]] = {}
        for path in log_files(logs_dir, function):
            name = path.name.partition(".")[0]
            if instance in ("", name):
                file = self._opened.enter_context(path.open("rb"))
                size = os.fstat(file.fileno()).st_size
                self._files.setdefault(name, []).append((file, size))

    def __enter__(self) -> History:
        return self

    def __exit__(self, *error: object) -> None:
        self._opened.close()

    def lines(self, since: str, tail: int | None) -> Iterator[Line]:
        """Yield those from `since` on, of all replicas in time order; the last `tail` of them."""
        each = [read(name, files) for name, files in self._files.items()]
        merged = heapq.merge(*each, key=lambda line: line.stamp)
        wanted = (line for line in merged if line.stamp >= since)
        return wanted if tail is None else iter(deque(wanted, maxlen=tail))

    async def batches(self, since: str, tail: int | None) -> AsyncIterator[list[Line]]:
        """Yield the same in pieces; the reading is done in a thread."""
        lines: Iterator[Line] = iter(())

        def next_batch() -> list[Line]:
            return list(islice(lines, BATCH_LINES))

        lines = await asyncio.to_thread(self.lines, since, tail)
        while batch := await asyncio.to_thread(next_batch):
            yield batch


def log_files(logs_dir: Path, function: str) -> list[Path]:
    """Return the logs of a function's replicas; what was rotated comes before what is written."""
    found = [
        path
        for path in logs_dir.iterdir()
        if (match := LOG_NAME.fullmatch(path.name)) and match[1] == function
    ]
    return sorted(found, key=lambda path: path.name, reverse=True)


def read(instance: str, files: list[tuple[BinaryIO, int]]) -> Iterator[Line]:
    stamp = LONG_AGO
    for file, size in files:
        position = 0
        while position < size and (raw := file.readline()):
            position += len(raw)
            text = raw.decode(errors="replace").rstrip("\n")
            if match := STAMPED.fullmatch(text):
                stamp, text = match.groups()
            yield Line(stamp, instance, text)
