"""How many replicas a measurement tries: what this machine has cores for."""

from __future__ import annotations

import os
from collections.abc import Sequence


def fitting(counts: Sequence[int]) -> list[int]:
    """Choose the numbers of replicas that are no more than the cores."""
    cores = len(os.sched_getaffinity(0))
    return [count for count in counts if count <= cores]
