"""Memory and progress while a backlog is drained, looked at every second."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from bench.load.arrivals import Arrivals
from bench.stacks.beside import looking_on
from bench.stacks.processes import resident

_EVERY_SECONDS = 1.0


@dataclass(frozen=True)
class Look:
    """What was seen at one instant: results so far, and resident megabytes by process."""

    seconds: float
    results: int
    megabytes: dict[str, float]


@dataclass
class MemoryWatch:
    """Looks at a stack beside whatever goes on; call it with the arrivals that count results."""

    run_dir: Path
    looks: list[Look] = field(default_factory=list)

    @contextmanager
    def __call__(self, arrivals: Arrivals) -> Iterator[None]:
        """Look on inside the block."""
        started = time.monotonic()

        def look() -> None:
            seconds = time.monotonic() - started
            self.looks.append(Look(seconds, arrivals.count, resident(self.run_dir)))

        with looking_on(look, _EVERY_SECONDS):
            yield


def growth(looks: list[Look], first: int) -> dict[str, float]:
    """Divide the most memory by that after the first so many results; of each process and of all.

    Raises:
        ValueError: nobody looked after so many results.
    """
    later = [look.megabytes for look in looks if look.results >= first]
    if not later:
        raise ValueError(f"nobody looked after {first} results")
    base = later[0]
    found = {name: max(each.get(name, 0.0) for each in later) / base[name] for name in base}
    return found | {"all": max(sum(each.values()) for each in later) / sum(base.values())}
