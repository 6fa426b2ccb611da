"""The containers of pods, as whoever is on the node sees them: their processes, and their sleep."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.kubernetes import control_groups, worker

_SCHEME = "containerd://"


def running(pod: dict[str, Any]) -> list[str]:
    """The ids of a pod's containers that run now."""
    statuses = pod["status"].get("containerStatuses", [])
    return [
        str(each["containerID"]).removeprefix(_SCHEME)
        for each in statuses
        if "running" in each.get("state", {})
    ]


def first_process(container: str) -> int | None:
    """The process with which a container ends, as this namespace numbers it."""
    for root in control_groups.roots():
        for group in control_groups.within(root / control_groups.NAME / "kubepods"):
            for pid in control_groups.processes(group) if group.name == container else ():
                if _is_first(pid):
                    return int(pid)
    return None


@contextmanager
def asleep(socket: Path, ids: list[str]) -> Iterator[None]:
    """Stop every process of some containers for a while; their connections stay open."""
    stopped = []
    try:
        for each in ids:
            _task(socket, "pause", each)
            stopped.append(each)
        yield
    finally:
        for each in stopped:
            _task(socket, "resume", each)


def _task(socket: Path, what: str, container: str) -> None:
    command = ["ctr", "-a", str(socket), "-n", worker.NAMESPACE, "tasks", what, container]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, f"{what} {container}: {done.stderr}"


def _is_first(pid: str) -> bool:
    """Tell whether a process is the first of its own namespace, and lives."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False
    fields = dict(line.split(":", 1) for line in status.splitlines() if ":" in line)
    return fields["NSpid"].split()[-1] == "1" and not fields["State"].strip().startswith("Z")
