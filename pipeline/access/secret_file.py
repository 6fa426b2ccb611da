"""A secret that may change while it is used: its file is looked at again, once a second."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Generic, TypeVar

Value = TypeVar("Value")

# How soon a process takes up what took the place of a secret.
LOOK_EVERY_SECONDS = 1.0


class SecretFile(Generic[Value]):
    """What a secret's file says; safe to share between threads.

    Args:
        parse: makes a value of the text; raises ValueError.
    """

    def __init__(
        self,
        path: Path,
        parse: Callable[[str], Value],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.path = path
        self._parse = parse
        self._clock = clock
        self._seen = (0, 0)
        self._look_at = 0.0
        self._value: Value | None = None

    def now(self) -> Value:
        """Tell the value; the same object until it changes.

        Raises:
            OSError, ValueError: it was never read, and cannot be.
        """
        value = self._value
        if value is None or self._clock() >= self._look_at:
            self._look_at = self._clock() + LOOK_EVERY_SECONDS
            return self._look()
        return value

    def _look(self) -> Value:
        known = self._value
        try:
            told = self.path.stat()
            seen = told.st_mtime_ns, told.st_ino
            if known is not None and seen == self._seen:
                return known
            found = self._parse(self.path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            if known is None:
                raise
            return known  # what was read before stands, until the file can be read again
        self._seen = seen
        if known is None or found != known:
            self._value = known = found
        return known


def keys_of(text: str) -> tuple[str, ...]:
    """Read the keys that are valid, one a line: the first one signs.

    Raises:
        ValueError: there is none.
    """
    if not (keys := tuple(filter(None, map(str.strip, text.splitlines())))):
        raise ValueError("expected a key")
    return keys
