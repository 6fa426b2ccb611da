"""How much of a server one sender may have: never so much that the next one finds no room."""

from __future__ import annotations

from collections import Counter

# As switches share their buffers among ports (Choudhury and Hahne, 1998).
_TIMES_WHAT_IS_FREE = 3


class Shares:
    """What of something bounded is held, and by whom.

    A sender may get more while it holds less than three times what is free: one alone has three
    quarters in the end, each of two three sevenths. One that nobody names is not limited so.

    Args:
        whole: how much there is.

    Attributes:
        all_held: how much of it everybody has together.
    """

    def __init__(self, whole: int) -> None:
        self.whole = whole
        self._held: Counter[str] = Counter()
        self.all_held = 0

    def has_room(self, amount: int) -> bool:
        """Whether there is so much."""
        return self.all_held + amount <= self.whole

    def held_at_most(self, sender: str) -> int | None:
        """How much a sender holds, if it gets no more now; None: it may."""
        held, free = self._held[sender], self.whole - self.all_held
        return held if sender and held and held >= _TIMES_WHAT_IS_FREE * free else None

    def take(self, sender: str, amount: int) -> None:
        """Note what a sender has got."""
        self.all_held += amount
        self._held[sender] += amount

    def give_back(self, sender: str, amount: int) -> None:
        """Note what a sender has no more."""
        self.all_held -= amount
        self._held[sender] -= amount
        if not self._held[sender]:
            del self._held[sender]
