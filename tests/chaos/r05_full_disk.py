"""The disk is full under MinIO, Kafka and the temporary files, under load."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.chaos.faults import kill
from tests.chaos.findings import Finding, Size, none_of, reported
from tests.chaos.ledger import Entry
from tests.chaos.storm import findings_of
from tests.chaos.trial import Trial
from tests.disk import SmallDisk, small_disk
from tests.local_stack import LocalStack, running_stack

GOAL = "R5"

_PER_SECOND = 15.0
_THREADS = 8
_FULL_SECONDS = {Size.SHORT: 8.0, Size.FULL: 20.0}
_REFILL_SECONDS = 0.02
_KILL_EVERY_SECONDS = 3.0
_RECOVERY_SECONDS = 90.0
_AFTERWARDS_SECONDS = 3.0
# Where the disks are below STATE_DIR, and how large: room for the run, and soon full.
_MEGABYTE = 1024
_DISKS = {
    "MinIO": ("data/minio", 256 * _MEGABYTE),
    "Kafka": ("data/kafka", 256 * _MEGABYTE),
    "temporary files": ("provider/replicas", 32 * _MEGABYTE),
}
# Those that run need little room there; those that start need some at once.
_STARTED_HERE = ("temporary files",)


@dataclass(frozen=True)
class Shortage:
    """One disk that was full: when, and how long until all parts were sound again."""

    place: str
    begin: float
    end: float
    recovered_seconds: float


def run(size: Size, folder: Path) -> list[Finding]:
    """Fill one disk after the other, make room, and judge all that was sent."""
    if os.geteuid() != 0:
        return [Finding(GOAL, "a disk that can be full takes a mount", "not root", "root", False)]
    with _disks(folder / "state") as disks, running_stack(folder / "state") as stack:
        trial = Trial(stack, folder)
        with trial.load(threads=_THREADS, per_second=_PER_SECOND) as load, load.running():
            shortages = [
                _fill(trial, place, disk, _FULL_SECONDS[size]) for place, disk in disks.items()
            ]
        verdict, left = trial.judge()
        entries = list(trial.entries())
    return [
        *(_finding(each, entries) for each in shortages),
        *findings_of(GOAL, "full disks", verdict),
        none_of(GOAL, "dead letters", len(left.letters)),
        reported(GOAL, "attempts that full disks cost: retries", str(left.retries)),
    ]


@contextmanager
def _disks(state_dir: Path) -> Iterator[dict[str, SmallDisk]]:
    with ExitStack() as mounted:
        yield {
            place: mounted.enter_context(small_disk(state_dir / path, kilobytes))
            for place, (path, kilobytes) in _DISKS.items()
        }


def _fill(trial: Trial, place: str, disk: SmallDisk, seconds: float) -> Shortage:
    time.sleep(_AFTERWARDS_SECONDS)
    disk.fill()
    begin = time.time()
    killed_at = begin if place in _STARTED_HERE else float("inf")
    while (now := time.time()) < begin + seconds:
        if now >= killed_at:
            killed_at = now + _KILL_EVERY_SECONDS
            _kill_functions(trial.stack)
        disk.fill()  # whatever has been given up meanwhile
        time.sleep(_REFILL_SECONDS)
    disk.make_room()
    end = time.time()
    trial.recover(_RECOVERY_SECONDS)
    recovered = time.time() - end
    print(f"  {GOAL} {place}: sound {recovered:.1f} s after there was room", flush=True)
    return Shortage(place, begin, end, recovered)


def _kill_functions(stack: LocalStack) -> None:
    for name in ("image-upload", "image-classifier"):
        kill(stack, name)


def _finding(shortage: Shortage, entries: Sequence[Entry]) -> Finding:
    sent = [each for each in entries if shortage.begin <= each.sent_at < shortage.end]
    answers = Counter(each.status for each in sent)
    told = ", ".join(f"{answers[it]} x {it or 'none'}" for it in sorted(answers, key=str))
    seconds = shortage.end - shortage.begin
    return Finding(
        GOAL,
        f"{shortage.place} full for {seconds:.0f} s: answers {told}",
        f"sound {shortage.recovered_seconds:.1f} s after there was room",
        f"<= {_RECOVERY_SECONDS:g} s",
        shortage.recovered_seconds <= _RECOVERY_SECONDS,
    )
