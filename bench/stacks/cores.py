"""Which processes run on which core."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from bench.stacks.processes import members


@contextmanager
def apart(run_dir: Path, alone: str) -> Iterator[int]:
    """Keep one part's processes on the last core, all else and ourselves on the first.

    Args:
        alone: what the part's name starts with.

    Yields:
        The last core.
    """
    cores = os.sched_getaffinity(0)
    try:
        for name, pids in members(run_dir).items():
            _keep(pids, {max(cores)} if name.startswith(alone) else {min(cores)})
        _keep([os.getpid()], {min(cores)})
        yield max(cores)
    finally:
        _keep([os.getpid(), *(pid for pids in members(run_dir).values() for pid in pids)], cores)


def _keep(pids: Iterable[int], cores: set[int]) -> None:
    """Move every thread; those started later stay where the thread is that starts them."""
    for pid in pids:
        with suppress(FileNotFoundError):
            for thread in Path(f"/proc/{pid}/task").iterdir():
                with suppress(ProcessLookupError):
                    os.sched_setaffinity(int(thread.name), cores)
