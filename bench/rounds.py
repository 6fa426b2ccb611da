"""Rounds: every arm in each of them, in shuffled order, so that all meet the same machine."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from typing import TypeVar

from bench.progress import say

Measured = TypeVar("Measured")

# The order is another in every round, and the same in every run.
_SEED = 6


def shuffled(arms: Mapping[str, Callable[[], Measured]], rounds: int) -> dict[str, list[Measured]]:
    """Measure every arm once a round; return what each found, round by round."""
    chance = random.Random(_SEED)
    found: dict[str, list[Measured]] = {name: [] for name in arms}
    for number in range(rounds):
        order = list(arms)
        chance.shuffle(order)
        for name in order:
            say(f"Round {number + 1} of {rounds}: {name}.")
            found[name].append(arms[name]())
    return found
