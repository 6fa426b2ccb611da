"""What a goal's run says: findings, each a figure beside what is allowed."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Size(Enum):
    """How much of a goal is run: what `make chaos` has time for, or the figures as written."""

    SHORT = "short"
    FULL = "full"


@dataclass(frozen=True)
class Finding:
    """One line of the table.

    Attributes:
        goal: "R1".
        what: what was tried and counted.
        measured: the figure, with its unit.
        allowed: the bar, or "reported" where there is none.
        held: whether the figure is within the bar.
        of_speed: whether a slow machine alone can break it; `make chaos` then only reports it.
    """

    goal: str
    what: str
    measured: str
    allowed: str
    held: bool
    of_speed: bool = False

    def is_broken(self, size: Size) -> bool:
        """Tell whether a run of this size fails by it."""
        return not self.held and not (self.of_speed and size is Size.SHORT)


def none_of(goal: str, what: str, violations: int) -> Finding:
    """Make the finding of something that must not be."""
    return Finding(goal, what, str(violations), "0", violations == 0)


def reported(goal: str, what: str, measured: str) -> Finding:
    """Make the finding of a figure without a bar."""
    return Finding(goal, what, measured, "reported", True)
