"""Goals as processes of their own, several at once: a short storm waits more than it computes."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path

from tests.chaos.findings import Finding
from tests.stack import ROOT


def run(goals: Sequence[str], at_once: int, options: Sequence[str], folder: Path) -> list[Finding]:
    """Run goals with these options of `python -m tests.chaos`; their lines come as they are said.

    Args:
        folder: takes the findings of each.

    Returns:
        All findings, in the order of the goals.
    """
    processes: list[subprocess.Popen[str]] = []

    def go(goal: str) -> list[Finding]:
        told = folder / f"{goal}.json"
        command = [sys.executable, "-m", "tests.chaos", "--only", goal, "--findings", str(told)]
        process = subprocess.Popen(
            [*command, *options], cwd=ROOT, stdout=subprocess.PIPE, text=True
        )
        processes.append(process)
        for line in process.stdout or ():
            print(line, end="", flush=True)
        status = process.wait()
        if told.exists():
            return load(told)
        return [Finding(goal, "runs to its end", f"status {status}", "no error", False)]

    with ThreadPoolExecutor(at_once) as pool:
        runs = [pool.submit(go, goal) for goal in goals]
        try:
            return [finding for each in runs for finding in each.result()]
        except BaseException:
            # Told to stop: each stops its stack before it ends.
            pool.shutdown(wait=False, cancel_futures=True)
            for process in processes:
                process.terminate()
            raise


def save(path: Path, findings: Sequence[Finding]) -> None:
    """Write findings for whoever started this goal."""
    path.write_text(json.dumps([asdict(each) for each in findings]), encoding="utf-8")


def load(path: Path) -> list[Finding]:
    """Read what `save` wrote."""
    return [Finding(**each) for each in json.loads(path.read_text(encoding="utf-8"))]
