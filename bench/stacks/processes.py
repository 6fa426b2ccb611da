"""CPU time and memory of every process of a stack, children included, as /proc tells them."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.checks import BenchFailed
from local.machine import processes

_TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
# clear_refs: forget the largest resident size so far (proc(5)).
_RESET_PEAK = "5"

# A part's name, and of each of its processes (pid, start time) what was found.
Ticks = Mapping[str, Mapping[tuple[int, int], int]]


@dataclass
class Spent:
    """What a stack used between two instants, by part; filled in at the second."""

    cpu_seconds: dict[str, float] = field(default_factory=dict)
    peak_megabytes: dict[str, float] = field(default_factory=dict)

    def per_image(self, images: int) -> dict[str, Any]:
        """Sum up: CPU milliseconds an image of each part and of all, peak memory of each part."""
        cpu = {name: used * 1000 / images for name, used in self.cpu_seconds.items()}
        return {
            "cpuMillisecondsPerImage": {name: round(used, 3) for name, used in cpu.items()},
            "cpuMillisecondsPerImageTotal": round(sum(cpu.values()), 3),
            "peakMegabytes": self.peak_megabytes,
        }


@contextmanager
def spending(run_dir: Path) -> Iterator[Spent]:
    """Measure what the stack uses inside the block.

    Raises:
        BenchFailed: a process ended meanwhile.
    """
    for pids in members(run_dir).values():
        _reset_peaks(pids)
    before = _ticks(run_dir)
    spent = Spent()
    yield spent
    after = _ticks(run_dir)
    spent.cpu_seconds = cpu_seconds(before, after)
    spent.peak_megabytes = {
        name: _megabytes(_status(pid, "VmHWM") for pid in pids)
        for name, pids in members(run_dir).items()
    }


def cpu_seconds(before: Ticks, after: Ticks) -> dict[str, float]:
    """Subtract CPU times; a process that started meanwhile counts from its start.

    Raises:
        BenchFailed: one of the first processes is not among the last: what it used is not known.
    """
    used: dict[str, float] = {}
    for name, first in before.items():
        last = after.get(name, {})
        if ended := sorted(pid for pid, _ in first.keys() - last.keys()):
            raise BenchFailed(f"{name} ended while it was measured: process {ended[0]}")
    for name, last in after.items():
        first = before.get(name, {})
        ticks = sum(count - first.get(process, 0) for process, count in last.items())
        used[name] = ticks / _TICKS_PER_SECOND
    return used


def memory(run_dir: Path) -> dict[str, dict[str, float | None]]:
    """Tell resident and proportional memory of each part now, in megabytes (10^6 bytes)."""
    return {
        name: {
            "rss": _megabytes(_status(pid, "VmRSS") for pid in pids),
            "pss": _proportional(pids),
        }
        for name, pids in members(run_dir).items()
    }


def resident(run_dir: Path) -> dict[str, float]:
    """Tell resident memory alone, which costs next to nothing to ask for."""
    return {
        name: _megabytes(_status(pid, "VmRSS") for pid in pids)
        for name, pids in members(run_dir).items()
    }


def members(run_dir: Path) -> dict[str, list[int]]:
    """Every part's processes: each recorded one leads a session."""
    sessions: dict[int, list[int]] = {}
    for pid in processes.pids():
        stat = _stat(pid)
        if stat and stat[0] != "Z":
            sessions.setdefault(int(stat[3]), []).append(pid)
    recorded = processes.recorded(run_dir)
    return {name: sessions.get(process.pid, []) for name, process in recorded.items()}


def descendants(pid: int) -> list[int]:
    """List the living children of a process, their children and so on."""
    stats = {each: _stat(each) for each in processes.pids()}
    parents = {each: int(stat[1]) for each, stat in stats.items() if stat and stat[0] != "Z"}
    found: list[int] = []
    newest = {pid}
    while newest := {each for each, parent in parents.items() if parent in newest}:
        found += sorted(newest)
    return found


def leads_session(pid: int) -> bool:
    """Tell whether a process has a session of its own."""
    stat = _stat(pid)
    return bool(stat) and int(stat[3]) == pid


def _ticks(run_dir: Path) -> Ticks:
    found: dict[str, dict[tuple[int, int], int]] = {}
    for name, pids in members(run_dir).items():
        stats = {pid: _stat(pid) for pid in pids}
        found[name] = {
            (pid, int(stat[19])): int(stat[11]) + int(stat[12])  # start time; user + system
            for pid, stat in stats.items()
            if stat
        }
    return found


def _stat(pid: int) -> list[str]:
    """The fields of /proc/PID/stat from the third on; empty when it has ended."""
    return _read(pid, "stat").rpartition(")")[2].split()


def _status(pid: int, name: str) -> int:
    """A line of /proc/PID/status, in bytes; 0 when the process has ended."""
    return _kilobytes(_read(pid, "status"), name) * 1024


def _proportional(pids: list[int]) -> float | None:
    """Proportional memory; None when it may not be read."""
    texts = [_read(pid, "smaps_rollup") for pid in pids]
    if not all(texts):
        return None
    return _megabytes(_kilobytes(text, "Pss") * 1024 for text in texts)


def _kilobytes(text: str, name: str) -> int:
    lines = (line.partition(":") for line in text.splitlines())
    return next((int(value.split()[0]) for key, _, value in lines if key == name), 0)


def _megabytes(sizes: Iterable[int]) -> float:
    return round(sum(sizes) / 1e6, 1)


def _read(pid: int, name: str) -> str:
    try:
        return Path(f"/proc/{pid}/{name}").read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return ""


def _reset_peaks(pids: list[int]) -> None:
    for pid in pids:
        Path(f"/proc/{pid}/clear_refs").write_text(_RESET_PEAK)
