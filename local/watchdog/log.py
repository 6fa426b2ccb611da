"""What a function writes beside its answers, line by line in the watchdog's own output."""

from __future__ import annotations

import asyncio
import re
import sys

MAX_LINE_BYTES = 64 * 1024  # a longer one is cut in pieces
MAX_WORDS = 300
ERROR = re.compile(rb"(Error|Exception): ")


def say(text: str) -> None:
    print(text, flush=True)


class LastWords:
    """The last line that something was written in, and the last that tells of an error."""

    def __init__(self) -> None:
        self._line = self._error = b""

    def __str__(self) -> str:
        return (self._error or self._line).decode(errors="replace").strip()[:MAX_WORDS]

    def hear(self, lines: list[bytes]) -> None:
        for line in filter(bytes.strip, lines):
            self._line = line
            self._error = line if ERROR.search(line) else self._error


async def follow(
    output: asyncio.StreamReader, name: str, has_prefix: bool, words: LastWords | None = None
) -> None:
    """Pass on every line until the output ends."""
    prefix = f"{name}: ".encode() if has_prefix else b""
    words = words or LastWords()
    unfinished = b""
    while chunk := await output.read(MAX_LINE_BYTES):
        *lines, unfinished = (unfinished + chunk).split(b"\n")
        if len(unfinished) > MAX_LINE_BYTES:
            lines, unfinished = [*lines, unfinished], b""
        words.hear(lines)
        write(lines, prefix)
    words.hear([unfinished])
    write([unfinished] if unfinished else [], prefix)


def write(lines: list[bytes], prefix: bytes) -> None:
    if lines:
        sys.stdout.buffer.write(b"".join(prefix + line + b"\n" for line in lines))
        sys.stdout.buffer.flush()
