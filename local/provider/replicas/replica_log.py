"""A replica's output: stamped line by line, kept in its file, told to whoever follows it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

logger = logging.getLogger(__name__)

MAX_BYTES = 8 * 1024 * 1024  # of one log file; the one before it is kept as NAME.log.1
CHUNK_BYTES = 64 * 1024
MAX_LINE_BYTES = 64 * 1024  # a longer one is cut in pieces
QUEUE_LINES = 10_000  # that a reader may lag behind


@dataclass(frozen=True, slots=True)
class Line:
    """`stamp` is when the provider read it: RFC 3339, UTC, microseconds."""

    stamp: str
    instance: str
    text: str


class Reader:
    """What one follower of a function's logs has not read yet; None says that nothing follows."""

    def __init__(self) -> None:
        self._lines: asyncio.Queue[Line | None] = asyncio.Queue()
        self.skipped = 0

    def put(self, line: Line | None) -> None:
        if line and self._lines.qsize() >= QUEUE_LINES:
            self.skipped += 1
        else:
            self._lines.put_nowait(line)

    async def get(self, seconds: float) -> Line | None:
        """Return the next line; raise TimeoutError where there is none in time."""
        return await asyncio.wait_for(self._lines.get(), seconds)


class Feed:
    """Hands every line to those who follow its function."""

    def __init__(self) -> None:
        self._readers: dict[str, set[Reader]] = defaultdict(set)

    def __len__(self) -> int:
        return sum(map(len, self._readers.values()))

    @contextlib.contextmanager
    def follow(self, function: str) -> Iterator[Reader]:
        reader = Reader()
        self._readers[function].add(reader)
        try:
            yield reader
        finally:
            self._readers[function].discard(reader)
            if not self._readers[function]:
                del self._readers[function]

    def publish(self, function: str, line: Line | None) -> None:
        for reader in self._readers.get(function, ()):
            reader.put(line)

    def close(self) -> None:
        for function in list(self._readers):
            self.publish(function, None)


class ReplicaLog:
    """Writes one replica's output to its file, and remembers the last line of it."""

    def __init__(self, path: Path, function: str, feed: Feed) -> None:
        self.path = path
        self.last_line = ""
        self._function = function
        self._feed = feed
        self._unfinished = b""
        self._file = path.open("ab", buffering=0)

    async def follow(self, output: asyncio.StreamReader) -> None:
        """Write until the output ends."""
        try:
            while chunk := await output.read(CHUNK_BYTES):
                *lines, self._unfinished = (self._unfinished + chunk).split(b"\n")
                while len(self._unfinished) > MAX_LINE_BYTES:
                    lines.append(self._unfinished[:MAX_LINE_BYTES])
                    self._unfinished = self._unfinished[MAX_LINE_BYTES:]
                self._take(lines)
        finally:
            self._take([self._unfinished] if self._unfinished else [])
            self._file.close()

    def say(self, text: str) -> None:
        """Write a line of the provider's own."""
        self._take([text.encode()])

    def close(self) -> None:
        """Take no more; whoever follows the output does so at its end."""
        self._file.close()

    def _take(self, lines: list[bytes]) -> None:
        stamp = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        texts = [line.decode(errors="replace").rstrip("\r") for line in lines]
        if texts:
            self._write("".join(f"{stamp} {text}\n" for text in texts).encode())
        for text in texts:
            self._feed.publish(self._function, Line(stamp, self.path.stem, text))
        self.last_line = last_text(texts) or self.last_line

    def _write(self, data: bytes) -> None:
        """Write, or lose it if the disk is full: unread output would block the replica."""
        with contextlib.suppress(OSError):
            if self._file.tell() > MAX_BYTES:
                self._rotate()
            self._file.write(data)

    def _rotate(self) -> None:
        self.path.replace(self.path.with_suffix(".log.1"))
        newer = self.path.open("ab", buffering=0)
        self._file.close()
        self._file = newer


def last_text(lines: Iterable[str]) -> str:
    """Return the last line that is not empty, shortened; the message of it where it is JSON."""
    texts = [line.strip() for line in lines if line.strip()]
    if not texts:
        return ""
    try:
        record = json.loads(texts[-1])
        text = record.get("exception", record["message"]).splitlines()[-1]
    except (ValueError, KeyError, TypeError, AttributeError, IndexError):
        text = texts[-1]
    return str(text)[:300]
