"""What a measurement says while it runs: a line now and then, so that nobody takes it for stuck."""

from __future__ import annotations

import time

_EVERY_SECONDS = 5.0


def say(text: str) -> None:
    """Print a line at once."""
    print(text, flush=True)


class Progress:
    """Prints what it is told at most every few seconds."""

    def __init__(self) -> None:
        self._next = time.monotonic() + _EVERY_SECONDS

    def tell(self, text: str) -> None:
        """Print the line if the last one is a while ago."""
        if time.monotonic() >= self._next:
            self._next = time.monotonic() + _EVERY_SECONDS
            say(f"  {text}")
