"""Processes of a stack on this machine, killed or frozen by pid; nothing else is ever signalled."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from imagectl.prove.line import CannotProve

# The supervisor is not among them: what starts everything again is started by a person alone.
VICTIMS = (
    "image-process-consumer", "image-classifier", "image-upload", "image-results", "provider",
    "nginx", "redis", "minio", "kafka",
)  # fmt: skip
_POLL_SECONDS = 0.05


@dataclass(frozen=True)
class Process:
    """A process as its run file names it; the start time tells a pid that was given again."""

    name: str
    pid: int
    start_time: int

    def signal(self, number: int) -> bool:
        """Signal it; False when it has ended."""
        try:
            handle = os.pidfd_open(self.pid)
        except ProcessLookupError:
            return False
        try:
            # The handle is of whoever has the pid now: looked at first, it cannot change any more.
            if _start_time(self.pid) != self.start_time:
                return False
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(handle, number)
                return True
            return False
        finally:
            os.close(handle)


class LocalProcesses:
    """The processes that STATE_DIR/run names."""

    def __init__(self, state_dir: Path) -> None:
        self._run_dir = state_dir / "run"

    def kill(self, name: str) -> int:
        """End all processes of a service or function as kill -9 does; how many."""
        return sum(process.signal(signal.SIGKILL) for process in self.named(name))

    @contextmanager
    def frozen(self, name: str) -> Iterator[None]:
        """Keep a service or function from answering for a while."""
        stopped = [process for process in self.named(name) if process.signal(signal.SIGSTOP)]
        try:
            yield
        finally:
            for process in stopped:
                process.signal(signal.SIGCONT)

    def wait_for(self, name: str, seconds: float) -> bool:
        """Wait until a service or function has a process; False when it is not back in time."""
        deadline = time.monotonic() + seconds
        while not self.named(name):
            if time.monotonic() > deadline:
                return False
            time.sleep(_POLL_SECONDS)
        return True

    def named(self, name: str) -> list[Process]:
        """The living processes of a service, or the replicas of a function."""
        paths = [self._run_dir / f"{name}.json", *self._run_dir.glob(f"{name}-[0-9]*.json")]
        found = [_read(path) for path in paths]
        return [each for each in found if each and _start_time(each.pid) == each.start_time]


def find(state_dir: Path, url: str) -> LocalProcesses:
    """Find the stack on this machine that a gateway belongs to.

    Raises:
        CannotProve: there is none, or the gateway is another's.
    """
    local = LocalProcesses(state_dir)
    if not local.named("nginx"):
        raise CannotProve(f"--faults kills processes of a local stack; none runs in {state_dir}")
    port = _state(state_dir / "run" / "nginx.json").get("ports", {}).get("gateway")
    asked = urlsplit(url)
    if asked.hostname not in ("127.0.0.1", "localhost") or asked.port != port:
        raise CannotProve(
            f"--faults kills processes of a local stack; that in {state_dir} has its gateway on"
            f" port {port} of 127.0.0.1, and the proof is about {url}"
        )
    return local


def _read(path: Path) -> Process | None:
    state = _state(path)
    if not {"pid", "startTime"} <= state.keys() or state.get("bootId", _boot_id()) != _boot_id():
        return None
    return Process(path.stem, int(state["pid"]), int(state["startTime"]))


def _state(path: Path) -> dict[str, Any]:
    try:
        state: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}  # it is not running, or has just ended
    return state


def _boot_id() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()


def _start_time(pid: int) -> int | None:
    """Ticks from boot to a process' start; None when it has ended, a zombie too."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    fields = text.rpartition(")")[2].split()
    return int(fields[19]) if fields and fields[0] != "Z" else None
