"""What goes wrong in the in-memory world, and when: at an operation, or at a kill point."""

from __future__ import annotations

from dataclasses import dataclass, field

from pipeline.errors import Unavailable
from pipeline.hooks import crashes

# What may happen to one operation of the store or the broker. Unacknowledged: it was done, and
# whoever asked for it is told that it was not. Died: the process ended before or after it.
EFFECTS = ("refused", "unacknowledged", "died before", "died after")


class Killed(BaseException):
    """The process that met this has ended, as by kill -9; no `except Exception` holds it up."""


class Clock:
    """Stands in for the module `time`; it moves only when told to."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def time(self) -> float:
        return self.now

    monotonic = perf_counter = time

    def pass_(self, seconds: float) -> None:
        """Let time pass."""
        self.now += seconds


@dataclass
class Moments:
    """The accidents that wait to happen.

    Attributes:
        points: armed kill points (pipeline/hooks/crashes.py).
        down: parts that answer nothing.
    """

    points: set[str] = field(default_factory=set)
    down: set[str] = field(default_factory=set)
    _armed: dict[str, tuple[int, str]] = field(default_factory=dict)

    def arm(self, part: str, operations: int, effect: str) -> None:
        """Let one operation of a part go wrong: the next but so many."""
        self._armed[part] = (operations, effect)

    def heal(self) -> None:
        """Let nothing go wrong any more."""
        self.points.clear()
        self.down.clear()
        self._armed.clear()

    def point(self, name: str, topic: str = "") -> None:
        """Stand in for `crashes.point`."""
        name = crashes.full_name(name, topic)
        if name in self.points:
            self.points.discard(name)
            raise Killed(name)

    def before(self, part: str) -> str:
        """Begin an operation; return what will go wrong after it, or nothing.

        Raises:
            Unavailable: it is refused.
            Killed: the process dies first.
        """
        if part in self.down:
            raise Unavailable(f"the {part} is down")
        effect = self._effect(part)
        if effect == "refused":
            raise Unavailable(f"the {part} refuses")
        if effect == "died before":
            raise Killed(part)
        return effect

    def after(self, part: str, effect: str) -> None:
        """End an operation that was done.

        Raises:
            Unavailable: nobody is told that it was.
            Killed: the process dies before it can be told.
        """
        if effect == "unacknowledged":
            raise Unavailable(f"the {part} does not answer any more")
        if effect == "died after":
            raise Killed(part)

    def _effect(self, part: str) -> str:
        operations, effect = self._armed.pop(part, (0, ""))
        if operations:
            self._armed[part] = (operations - 1, effect)
            return ""
        return effect
