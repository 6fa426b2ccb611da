"""Nothing is lost and nothing stalls while a second consumer joins and leaves every 10 s.

Under a steady load; a stall is the longest time without a result event on one partition.
"""

from __future__ import annotations

import time
from pathlib import Path

from tests.chaos import evidence, storm, timeline
from tests.chaos.findings import Finding, Size, none_of, reported
from tests.chaos.ledger import Ledger
from tests.chaos.load import Load
from tests.chaos.pictures import drawn
from tests.chaos.second_consumer import second_consumer
from tests.local_stack import running_stack

GOAL = "R8"

_EVERY_SECONDS = 10.0
_ROUNDS = {Size.SHORT: 3, Size.FULL: 12}  # of one joining and one leaving
_PER_SECOND = 40.0
_STALL_SECONDS = 3.0


def run(size: Size, folder: Path) -> list[Finding]:
    """Let a second consumer come and go under a steady load."""
    entries, sources = folder / "ledger.jsonl", drawn()
    with running_stack(folder / "state") as stack, Ledger(entries) as ledger:
        evidence.watch(stack)
        with Load(stack, ledger, sources, threads=8, per_second=_PER_SECOND).running():
            time.sleep(_EVERY_SECONDS / 2)
            begin, statuses = time.time(), []
            for _ in range(_ROUNDS[size]):
                with second_consumer(stack, folder / "second-consumer.log") as second:
                    time.sleep(_EVERY_SECONDS)
                statuses.append(second.returncode)
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
        none_of(GOAL, "leavings with another status than 0", len(statuses) - statuses.count(0)),
        Finding(
            GOAL,
            f"longest stall of result events of any partition, at {_PER_SECOND:g} images/s",
            f"{longest:.2f} s",
            f"{_STALL_SECONDS:g} s",
            longest <= _STALL_SECONDS,
        ),
        reported(GOAL, f"{what}: repeated inferences", f"{percent:.2f} %"),
    ]
