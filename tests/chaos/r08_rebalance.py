"""Nothing is lost and nothing stalls while a second consumer joins and leaves every 10 s.

Under a steady load; a stall is the longest time without a result event on one partition.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.chaos import evidence, storm, timeline
from tests.chaos.findings import Finding, Size, reported
from tests.chaos.ledger import Ledger
from tests.chaos.load import Load
from tests.chaos.pictures import drawn
from tests.stack import LocalStack, free_ports, running_stack, until

GOAL = "R8"

_EVERY_SECONDS = 10.0
_ROUNDS = {Size.SHORT: 3, Size.FULL: 30}  # of one joining and one leaving
_PER_SECOND = 40.0
_STALL_SECONDS = 3.0
_LEAVE_SECONDS = 40.0


def run(size: Size, folder: Path) -> list[Finding]:
    """Let a second consumer come and go under a steady load."""
    entries, sources = folder / "ledger.jsonl", drawn()
    with running_stack(folder / "state") as stack, Ledger(entries) as ledger:
        evidence.watch(stack)
        with Load(stack, ledger, sources, threads=8, per_second=_PER_SECOND).running():
            time.sleep(_EVERY_SECONDS / 2)
            begin = time.time()
            for _ in range(_ROUNDS[size]):
                with second_consumer(stack, folder / "second-consumer.log"):
                    time.sleep(_EVERY_SECONDS)
                time.sleep(_EVERY_SECONDS)
            end = time.time()
        verdict, left = storm.settle(stack, entries, sources)
    gaps = {
        partition: timeline.longest_gap(instants, begin, end)
        for partition, instants in timeline.results_by_partition(left).items()
    }
    longest = max(gaps.values())
    what = f"{_ROUNDS[size]} times a consumer joins, and leaves by SIGTERM"
    percent = verdict.repeated_share * 100
    return [
        *storm.findings_of(GOAL, what, verdict),
        Finding(
            GOAL,
            f"longest stall of result events of any partition, at {_PER_SECOND:g} images/s",
            f"{longest:.2f} s",
            f"{_STALL_SECONDS:g} s",
            longest <= _STALL_SECONDS,
        ),
        reported(GOAL, f"{what}: repeated inferences", f"{percent:.2f} %"),
    ]


@contextmanager
def second_consumer(stack: LocalStack, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run another consumer of the same group; ask it to leave at the end."""
    environment = {**stack.addresses, "CONSUMER_PORT": str(free_ports(1)[0])}
    command = [sys.executable, "consumers/image-process-consumer/consumer.py"]
    with log.open("ab") as output:
        process = subprocess.Popen(
            command, cwd=stack.root, env=environment, stdout=output, stderr=output
        )
    try:
        yield process
        assert process.poll() is None, f"the second consumer ended with {process.returncode}"
        process.terminate()
        until(lambda: process.poll() is not None, _LEAVE_SECONDS)
        assert process.returncode == 0, f"it left with status {process.returncode}"
    finally:
        process.kill()
        process.wait()
