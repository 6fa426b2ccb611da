"""What /proc tells of a process, and STATE_DIR/run: which processes belong to this stack."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import time
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from local.machine import files

_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
_TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
_POLL_SECONDS = 0.05


@dataclass(frozen=True)
class Process:
    """One running process: the pid, and its start time that tells a reused pid."""

    name: str
    pid: int
    start_time: int
    started_at: str = field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="seconds"))
    ports: dict[str, int] = field(default_factory=dict)
    restarts: int = 0
    # Pids and start times mean nothing after a boot; wall time would not tell one: clocks jump.
    boot_id: str = field(default_factory=lambda: boot_id())

    def is_alive(self) -> bool:
        return start_time(self.pid) == self.start_time

    def uptime_seconds(self) -> float:
        with open("/proc/uptime", encoding="ascii") as file:
            return float(file.read().split()[0]) - self.start_time / _TICKS_PER_SECOND

    def signal(self, number: int) -> None:
        """Signal the process, and its group if it leads one; nothing when it is gone already."""
        if not self.is_alive():
            return
        with contextlib.suppress(ProcessLookupError):
            if os.getpgid(self.pid) == self.pid:
                os.killpg(self.pid, number)
            else:
                os.kill(self.pid, number)


def boot_id() -> str:
    """What the kernel calls the time since it was started."""
    return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()


def pids() -> list[int]:
    """Every process of the machine that this one sees; any of them may have ended since."""
    return [int(name) for name in os.listdir("/proc") if name.isdecimal()]


def owner(pid: int) -> int | None:
    """Tell as which user a process runs; None when it has ended."""
    try:
        return os.stat(f"/proc/{pid}").st_uid
    except FileNotFoundError:
        return None


def start_time(pid: int) -> int | None:
    """Ticks from boot to the process' start, None when it has ended (a zombie has too)."""
    fields = _stat(pid)
    return int(fields[19]) if fields and not _has_ended(fields) else None


def memory_bytes(session: int) -> int:
    """Resident memory of a service: the process that leads the session, and its children in it."""
    return sum(int(stat[21]) * _PAGE_BYTES for stat in _session(session).values())


def cpu_seconds(session: int) -> float:
    """Processor time that the living processes of a service have used so far."""
    ticks = sum(int(stat[11]) + int(stat[12]) for stat in _session(session).values())
    return ticks / _TICKS_PER_SECOND


def used_seconds(pid: int) -> float:
    """Processor time of one process so far, and of its children that have ended; 0 if it has."""
    return sum(map(int, _stat(pid)[11:15])) / _TICKS_PER_SECOND


def has_children(pid: int) -> bool:
    """Tell whether a process has living children; so it is where the kernel does not say."""
    try:
        threads = os.listdir(f"/proc/{pid}/task")
        return any(Path(f"/proc/{pid}/task/{it}/children").read_bytes() for it in threads)
    except OSError:
        return True


def has_home(pid: int, folder: Path) -> bool:
    """Tell whether a process was started with this folder, or one below it, as its HOME.

    Raises:
        OSError: it has ended, or is another user's.
    """
    home = b"HOME=" + os.fsencode(folder)
    variables = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    return home in variables or any(it.startswith(home + b"/") for it in variables)


def command_line(pid: int) -> str:
    """What a process was started as; empty when it has ended."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode().strip()
    except OSError:
        return ""


def record(run_dir: Path, process: Process) -> None:
    """Write run/<name>.json, by which others find the process."""
    values = asdict(process)
    names = {"start_time": "startTime", "started_at": "startedAt", "boot_id": "bootId"}
    text = json.dumps({names.get(key, key): value for key, value in values.items()})
    files.write(run_dir / f"{process.name}.json", text)


def forget(run_dir: Path, name: str) -> None:
    (run_dir / f"{name}.json").unlink(missing_ok=True)


def recorded(run_dir: Path) -> dict[str, Process]:
    """The processes recorded in run/ that are alive, replicas of functions included."""
    found = [_read(path) for path in sorted(run_dir.glob("*.json"))]
    return {process.name: process for process in found if process and process.is_alive()}


def survivors(run_dir: Path) -> list[Process]:
    """What still runs of every recorded process: itself, and its children in its session."""
    return [survivor for path in sorted(run_dir.glob("*.json")) for survivor in left_of(path)]


def left_of(run_file: Path) -> list[Process]:
    """What still runs of one recorded process."""
    process = _read(run_file)
    return _survivors(process) if process and process.boot_id == boot_id() else []


def end(process: Process, grace_seconds: float) -> None:
    """End a process that is not our child: SIGTERM, and SIGKILL when the grace is over."""
    process.signal(signal.SIGTERM)
    deadline = time.monotonic() + grace_seconds
    while process.is_alive():
        if time.monotonic() > deadline:
            process.signal(signal.SIGKILL)
        time.sleep(_POLL_SECONDS)


def _read(path: Path) -> Process | None:
    """None for a file that vanished since it was listed: its process has just ended."""
    try:
        values: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    return Process(
        name=values["name"],
        pid=values["pid"],
        start_time=values["startTime"],
        started_at=values["startedAt"],
        ports=values.get("ports", {}),
        restarts=values.get("restarts", 0),
        boot_id=values.get("bootId") or boot_id(),
    )


def _survivors(process: Process) -> list[Process]:
    members = _session(process.pid)
    leader = members.get(process.pid)
    if leader and int(leader[19]) != process.start_time:  # the pid is another's by now
        return []
    living = {pid: int(stat[19]) for pid, stat in members.items()}
    return [replace(process, pid=pid, start_time=started) for pid, started in living.items()]


def _session(leader: int) -> dict[int, list[str]]:
    """The living processes of a session, by pid."""
    stats = {pid: _stat(pid) for pid in pids()}
    return {
        pid: stat
        for pid, stat in stats.items()
        if stat and int(stat[3]) == leader and not _has_ended(stat)
    }


def _has_ended(stat: list[str]) -> bool:
    """Whether it is a zombie; one that still has other threads has its ports and files too."""
    return stat[0] == "Z" and int(stat[17]) <= 1


def _stat(pid: int) -> list[str]:
    """The fields of /proc/PID/stat from the state on (field 3); empty when it has ended."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return []
    return text.rpartition(")")[2].split()
