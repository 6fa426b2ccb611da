"""How much memory every process of a stack holds."""

from __future__ import annotations

import os
from pathlib import Path

from local.services import processes

_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


def resident_bytes(state_dir: Path) -> dict[str, int]:
    """Resident memory by run file: a service or replica, with its children."""
    recorded = processes.recorded(state_dir / "run")
    return {name: processes.memory_bytes(process.pid) for name, process in recorded.items()}


def of_process(pid: int) -> int:
    """Resident memory of one process and of those that it started."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    own = int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE_BYTES
    return own + sum(of_process(int(child)) for child in children)
