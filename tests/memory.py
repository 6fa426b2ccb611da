"""How much memory every process of a stack holds."""

from __future__ import annotations

import json
from pathlib import Path

from local.services import processes


def resident_bytes(state_dir: Path) -> dict[str, int]:
    """Resident memory by run file: a service or replica, with its children."""
    found = {}
    for path in sorted((state_dir / "run").glob("*.json")):
        pid = int(json.loads(path.read_text())["pid"])
        found[path.stem] = processes.memory_bytes(pid)
    return found
