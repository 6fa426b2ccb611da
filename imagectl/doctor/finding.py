"""What one check of the doctor found: a state, what is there, what is wanted, what to change."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

OK, WARNING, FAILED = "ok", "warning", "failed"
# The status that the command ends with, from the best to the worst.
STATES = (OK, WARNING, FAILED)


@dataclass(frozen=True)
class Finding:
    """One line.

    Attributes:
        check: its name.
        state: ok, warning or failed.
        wanted: what would be right; empty where it is.
        change: the value to change, and how.
    """

    check: str
    state: str
    found: str
    wanted: str = ""
    change: str = ""


@dataclass(frozen=True)
class Wrong:
    """One thing of a check that is not as it must be."""

    found: str
    wanted: str
    change: str
    state: str = FAILED


def of(check: str, wrong: Sequence[Wrong], well: str) -> Finding:
    """Make one line of all that a check has found; of `well` if that is nothing.

    What is said twice is said once.
    """
    if not wrong:
        return Finding(check, OK, well)
    return Finding(
        check,
        max((each.state for each in wrong), key=STATES.index),
        *(
            "; ".join(dict.fromkeys(filter(None, said)))
            for said in zip(*((it.found, it.wanted, it.change) for it in wrong), strict=True)
        ),
    )


def unseen(check: str, why: str) -> Finding:
    """Say that a check cannot be made from here; nothing is claimed."""
    return Finding(check, OK, f"not seen from here: {why}")
