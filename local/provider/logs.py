"""How the provider logs, and where the output of its replicas goes."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

MAX_BYTES = 8 * 1024 * 1024  # of one log file; the one before it is kept as NAME.log.1
CHUNK_BYTES = 64 * 1024
RECORD_FIELDS = set(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class JsonFormatter(logging.Formatter):
    """One JSON line per event, with the fields given as `extra`."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        line.update({k: v for k, v in vars(record).items() if k not in RECORD_FIELDS})
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


class ReplicaLog:
    """Writes one replica's output to its file, and remembers the last line of it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.last_line = ""
        self._file = path.open("ab", buffering=0)

    async def follow(self, output: asyncio.StreamReader) -> None:
        """Write until the output ends."""
        try:
            while chunk := await output.read(CHUNK_BYTES):
                self._write(chunk)
        finally:
            self._file.close()

    def _write(self, chunk: bytes) -> None:
        """Write, or lose it if the disk is full: unread output would block the replica."""
        self.last_line = last_text(chunk.splitlines()) or self.last_line
        with contextlib.suppress(OSError):
            if self._file.tell() > MAX_BYTES:
                self._rotate()
            self._file.write(chunk)

    def _rotate(self) -> None:
        self.path.replace(self.path.with_suffix(".log.1"))
        newer = self.path.open("ab", buffering=0)
        self._file.close()
        self._file = newer


def last_text(lines: Iterable[bytes]) -> str:
    """Return the last line that is not empty, shortened; the message of it where it is JSON."""
    texts = [line.decode(errors="replace").strip() for line in lines if line.strip()]
    if not texts:
        return ""
    try:
        record = json.loads(texts[-1])
        text = record.get("exception", record["message"]).splitlines()[-1]
    except (ValueError, KeyError, TypeError, AttributeError, IndexError):
        text = texts[-1]
    return str(text)[:300]
