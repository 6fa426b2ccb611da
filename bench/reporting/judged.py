"""Figures of rounds: their median, their spread, and whether that is within the bar."""

from __future__ import annotations

from collections.abc import Sequence

from bench.reporting.figures import median
from bench.scenario import Figure

_DIGITS = 3


def at_least(
    goal: str, what: str, rounds: Sequence[float], bar: float, unit: str = "", note: str = ""
) -> Figure:
    """Judge a figure that must not be smaller than the bar."""
    allowed = f">= {bar:g}"
    return _figure(goal, what, rounds, unit, allowed, median(rounds) >= bar, note)


def at_most(
    goal: str, what: str, rounds: Sequence[float], bar: float, unit: str = "", note: str = ""
) -> Figure:
    """Judge a figure that must not be larger than the bar."""
    allowed = f"<= {bar:g}"
    return _figure(goal, what, rounds, unit, allowed, median(rounds) <= bar, note)


def exactly(goal: str, what: str, found: int, wanted: int, note: str = "") -> Figure:
    """Judge a count."""
    return Figure(goal, what, found, "", f"= {wanted}", found == wanted, note=note)


def reported(
    goal: str, what: str, rounds: Sequence[float], unit: str = "", note: str = ""
) -> Figure:
    """Tell a figure that has no bar."""
    return _figure(goal, what, rounds, unit, "reported", None, note)


def missing(goal: str, what: str, allowed: str, why: str) -> Figure:
    """Tell that a figure could not be had: it is not held."""
    return Figure(goal, what, None, "", allowed, False, note=why)


def _figure(
    goal: str,
    what: str,
    rounds: Sequence[float],
    unit: str,
    allowed: str,
    held: bool | None,
    note: str,
) -> Figure:
    low, high = round(min(rounds), _DIGITS), round(max(rounds), _DIGITS)
    spread = (low, high) if len(rounds) > 1 else None
    return Figure(goal, what, round(median(rounds), _DIGITS), unit, allowed, held, spread, note)
