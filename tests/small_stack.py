"""The real supervisor over small parts that a test writes; `python -m tests.small_stack`."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from local.machine import processes
from local.services.settings import ROOT, Stack
from local.services.supervision import logs, parts, supervisor
from local.services.supervision.parts import Part
from tests.stack import until

PATIENCE_SECONDS = 120.0


class SmallStack:
    """A supervisor that was started, and the state it keeps."""

    def __init__(self, state_dir: Path, process: subprocess.Popen[bytes]) -> None:
        self.stack = Stack.from_env({"STATE_DIR": str(state_dir)})
        self.process = process

    def state(self, name: str) -> dict[str, Any]:
        return supervisor.states(self.stack).get(name, {})

    def pid(self, name: str) -> int | None:
        found = processes.recorded(self.stack.run_dir).get(name)
        return found.pid if found else None

    def log(self, name: str) -> Path:
        return self.stack.logs_dir / f"{name}.log"

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(PATIENCE_SECONDS)


@contextmanager
def running(
    state_dir: Path, largest_log_bytes: int = logs.LARGEST_BYTES, **commands: str
) -> Iterator[SmallStack]:
    """Supervise these shell commands as services, healthy from the start, until the test ends."""
    (state_dir / "logs").mkdir(parents=True, exist_ok=True)
    environment = {**os.environ, "STATE_DIR": str(state_dir)}
    told = json.dumps({"commands": commands, "largest_log_bytes": largest_log_bytes})
    with (state_dir / "logs" / "supervisor.log").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.small_stack", told],
            **{"cwd": ROOT, "env": environment, "stdout": log, "stderr": log},  # type: ignore[call-overload]
        )
    small = SmallStack(state_dir, process)
    try:
        for name in commands:
            until(lambda name=name: small.state(name).get("state") == "healthy")  # type: ignore[misc]
        yield small
    finally:
        try:
            if process.poll() is None:
                small.stop()
        finally:
            process.kill()  # one that does not stop
            process.wait()
            for left in processes.survivors(small.stack.run_dir):
                left.signal(signal.SIGKILL)


def _supervise(told: dict[str, Any]) -> int:
    """Run the supervisor itself, its parts and its patience with logs apart."""
    commands: dict[str, str] = told["commands"]
    chosen = [
        Part(name, ["sh", "-c", command], probe=lambda: "", grace_seconds=0.5)
        for name, command in commands.items()
    ]
    parts.chosen = lambda stack, names: chosen
    logs.rotate = partial(logs.rotate, largest_bytes=told["largest_log_bytes"])
    return supervisor.main([])


if __name__ == "__main__":
    sys.exit(_supervise(json.loads(sys.argv[1])))
