"""CPU seconds and memory of every process of a stack, children included."""

from __future__ import annotations

import json
import os
import re
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

_TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
_KILOBYTE = 1024


@dataclass(frozen=True)
class Usage:
    """What one service has used.

    Attributes:
        peak_bytes: the most resident memory its processes had, summed over them.
    """

    cpu_seconds: float = 0.0
    resident_bytes: int = 0
    peak_bytes: int = 0

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            self.cpu_seconds + other.cpu_seconds,
            self.resident_bytes + other.resident_bytes,
            self.peak_bytes + other.peak_bytes,
        )


def usage(state_dir: Path) -> dict[str, Usage]:
    """Read the usage of every recorded service; a service is a session of processes."""
    names = {}
    for path in sorted((state_dir / "run").glob("*.json")):
        state = json.loads(path.read_text())
        names[state["pid"]] = state["name"]
    used: defaultdict[str, Usage] = defaultdict(Usage)
    for pid, session in _sessions():
        if session in names:
            used[names[session]] += _usage_of(pid)
    return dict(used)


def cpu_between(before: dict[str, Usage], after: dict[str, Usage]) -> dict[str, float]:
    """CPU seconds by service; one that is new since then counts from its start."""
    return {name: after[name].cpu_seconds - before.get(name, Usage()).cpu_seconds for name in after}


def _sessions() -> list[tuple[int, int]]:
    found = []
    for name in os.listdir("/proc"):
        if name.isdecimal() and (fields := _stat(int(name))):
            found.append((int(name), int(fields[3])))
    return found


def _usage_of(pid: int) -> Usage:
    fields = _stat(pid)
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return Usage()
    kilobytes = dict(re.findall(r"^(VmRSS|VmHWM):\s+(\d+) kB", status, re.MULTILINE))
    return Usage(
        (int(fields[11]) + int(fields[12])) / _TICKS_PER_SECOND if fields else 0.0,
        int(kilobytes.get("VmRSS", 0)) * _KILOBYTE,
        int(kilobytes.get("VmHWM", 0)) * _KILOBYTE,
    )


def _stat(pid: int) -> list[str]:
    """The fields of /proc/PID/stat from the state on; empty when the process has ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return []
