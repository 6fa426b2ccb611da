"""Memory, descriptors and threads of every process of a stack over time, as /proc tells them."""

from __future__ import annotations

import os
import statistics
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from local.machine import processes
from tests.local_stack import LocalStack


@dataclass(frozen=True)
class Sample:
    """One part at one time, all processes of it together.

    Attributes:
        images: how many had been accepted by then.
        leader: pid of the part's first process; another one means that it was restarted.
    """

    images: int
    leader: int
    resident_bytes: int
    descriptors: int
    threads: int


def sample(stack: LocalStack, images: int) -> dict[str, Sample]:
    """Look at every part that runs."""
    found = processes.recorded(stack.state_dir / "run")
    return {name: _sample(process.pid, images) for name, process in found.items()}


def slope_megabytes(samples: Sequence[Sample]) -> float:
    """Fit a line: MB (10^6 bytes) of resident memory gained for each 10,000 images."""
    images = [each.images / 10_000 for each in samples]
    line = statistics.linear_regression(images, [each.resident_bytes / 1e6 for each in samples])
    return line.slope


def growth(values: Sequence[int]) -> float:
    """Tell by how much the middle of the last quarter is above that of the first."""
    quarter = max(1, len(values) // 4)
    return statistics.median(values[-quarter:]) - statistics.median(values[:quarter])


def total(samples: Sequence[dict[str, Sample]]) -> list[Sample]:
    """Add up the parts of each look."""
    return [
        Sample(
            images=next(iter(parts.values())).images,
            leader=0,
            resident_bytes=sum(each.resident_bytes for each in parts.values()),
            descriptors=sum(each.descriptors for each in parts.values()),
            threads=sum(each.threads for each in parts.values()),
        )
        for parts in samples
    ]


def _sample(leader: int, images: int) -> Sample:
    members = [leader, *(each for each in _session(leader) if each != leader)]
    return Sample(
        images=images,
        leader=leader,
        resident_bytes=processes.memory_bytes(leader),
        descriptors=sum(_count(pid, "fd") for pid in members),
        threads=sum(_count(pid, "task") for pid in members),
    )


def _session(leader: int) -> list[int]:
    """The processes of the session that this one leads."""
    found = []
    for pid in processes.pids():
        with suppress(OSError):
            if os.getsid(pid) == leader:
                found.append(pid)
    return found


def _count(pid: int, what: str) -> int:
    try:
        return len(list(Path(f"/proc/{pid}/{what}").iterdir()))
    except OSError:  # it has ended meanwhile
        return 0
