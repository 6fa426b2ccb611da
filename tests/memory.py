"""How much memory every process of a stack holds."""

from __future__ import annotations

from pathlib import Path

from local.machine import processes


def resident_bytes(state_dir: Path) -> dict[str, int]:
    """Resident memory by run file: a service or replica, with its children."""
    recorded = processes.recorded(state_dir / "run")
    return {name: processes.memory_bytes(process.pid) for name, process in recorded.items()}
