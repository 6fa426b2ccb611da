"""Whose turn it is at the model: a batch has it whole, but urgent images come in between."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

# Urgent turns one after the other while a batch waits: then that one goes on for a while.
_URGENT_IN_A_ROW = 3
# For so many of its images.
_OWED_IMAGES = 8


class Turn:
    """One for each process; held for a whole batch.

    Held per image, two batches in flight would end together, and leave the core idle while both are
    stored. Urgent calls are few images each, and take it from a batch between two of its images.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._is_taken = False
        self._is_interrupted = False  # a batch gave way, and goes on before any other
        self._urgent_waiting = 0
        self._others_waiting = 0
        self._urgent_in_a_row = 0
        self._owed = 0

    @contextmanager
    def held(self, *, is_urgent: bool = False) -> Iterator[None]:
        """Have the turn; waits for it."""
        with self._changed:
            if is_urgent:
                self._take_urgent()
            else:
                self._take(lambda: not self._is_interrupted)
        try:
            yield
        finally:
            with self._changed:
                self._give()

    def give_way(self) -> None:
        """Let those in who are urgent; asked between two images by a batch that is not."""
        if self._owed:
            self._owed -= 1
        elif self._urgent_waiting:
            with self._changed:
                self._is_interrupted = True
                self._give()
                self._take(lambda: True)
                self._is_interrupted = False

    def _take_urgent(self) -> None:
        self._urgent_waiting += 1
        self._changed.wait_for(
            lambda: not self._is_taken and not (self._others_waiting and self._is_owed)
        )
        self._urgent_waiting -= 1
        self._urgent_in_a_row += 1
        self._is_taken = True

    def _take(self, may: Callable[[], bool]) -> None:
        self._others_waiting += 1
        self._changed.wait_for(
            lambda: not self._is_taken and may() and (not self._urgent_waiting or self._is_owed)
        )
        self._others_waiting -= 1
        self._owed = _OWED_IMAGES if self._urgent_waiting else 0
        self._urgent_in_a_row = 0
        self._is_taken = True

    def _give(self) -> None:
        self._is_taken = False
        self._changed.notify_all()

    @property
    def _is_owed(self) -> bool:
        return self._urgent_in_a_row >= _URGENT_IN_A_ROW
