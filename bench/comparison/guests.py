"""Guests of a stack: processes of others, recorded beside its own and so measured too."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from bench.checks import BenchFailed
from bench.stacks.processes import descendants, leads_session
from local.machine import processes
from local.machine.processes import Process

_GRACE_SECONDS = 10.0
_POLL_SECONDS = 0.05
_LAST_BYTES = 2000


@dataclass(frozen=True)
class Guest:
    """A running guest; its parts in the stack's records are those whose names start with its own.

    Attributes:
        log: what it prints.
    """

    name: str
    run_dir: Path
    log: Path
    process: subprocess.Popen[bytes]

    def check(self) -> None:
        """See that it runs.

        Raises:
            BenchFailed: it has ended; the text is the last that it printed.
        """
        if self.process.poll() is not None:
            said = self.log.read_bytes()[-_LAST_BYTES:].decode(errors="replace")
            raise BenchFailed(f"{self.name} ended with status {self.process.returncode}: {said}")

    def settle(self) -> None:
        """Record those of its processes that lead sessions of their own, now that all are there."""
        leaders = [pid for pid in descendants(self.process.pid) if leads_session(pid)]
        for number, pid in enumerate(leaders):
            _record(self.run_dir, f"{self.name}-{number + 1}", pid)


@contextmanager
def guest(
    run_dir: Path, name: str, command: Sequence[str], environment: Mapping[str, str], folder: Path
) -> Iterator[Guest]:
    """Run a command beside a stack for as long as the block; end all its processes behind it.

    Args:
        folder: where it runs and its log is written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    log = folder / f"{name}.log"
    with log.open("ab") as output:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        _record(run_dir, name, process.pid)
        yield Guest(name, run_dir, log, process)
    finally:
        _end(process)
        for file in run_dir.glob(f"{name}*.json"):
            processes.forget(run_dir, file.stem)


def _record(run_dir: Path, name: str, pid: int) -> None:
    started = processes.start_time(pid)
    if started is not None:
        processes.record(run_dir, Process(name, pid, started))


def _end(process: subprocess.Popen[bytes]) -> None:
    """Tell the first of them to end, then whatever it has left behind, one by one."""
    started = {pid: processes.start_time(pid) for pid in descendants(process.pid)}
    process.terminate()
    with suppress(subprocess.TimeoutExpired):
        process.wait(_GRACE_SECONDS)
    process.kill()
    process.wait()
    family = [Process("guest", pid, start) for pid, start in started.items() if start is not None]
    for number in (signal.SIGTERM, signal.SIGKILL):
        for each in family:
            each.signal(number)
        deadline = time.monotonic() + _GRACE_SECONDS
        while any(each.is_alive() for each in family) and time.monotonic() < deadline:
            time.sleep(_POLL_SECONDS)
