"""For comparison: the example systems' loop in the same storm, on the same stack and ledger.

The loop reads one event at a time, runs Keras' MobileNetV2 with `model.predict`, writes the result
and goes on; offsets are committed by the client's default, errors are logged and swallowed. It is
started again at once when it was killed, as our own consumer is, which works beside it.
"""

from __future__ import annotations

import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.comparison.example_loop import BUCKET, GROUP
from local.machine import processes
from local.machine.processes import Process
from pipeline.kafka import topics
from tests.chaos import buckets, evidence, ledger, storm
from tests.chaos.faults import TARGETS, Killer
from tests.chaos.findings import Finding, Size, reported
from tests.chaos.ledger import Ledger
from tests.chaos.load import Load
from tests.chaos.pictures import drawn
from tests.local_stack import LocalStack, running_stack
from tests.stack import until

GOAL = "R0"
LIMITS = (
    "A loss of the loop is an image without a result; what it says of an image is not looked at."
)

_LOOP = "example-loop"
_IMAGES = {Size.SHORT: 150, Size.FULL: 2000}
# Less than the loop gets done, which is one image after another.
_PER_SECOND = 4.0
_SEED = 1
_READY_SECONDS = 120.0
_DRAIN_SECONDS = 600.0


def run(size: Size, folder: Path, seed: int | None = None) -> list[Finding]:
    """Send a storm over both."""
    entries, sources, images = folder / "ledger.jsonl", drawn(), _IMAGES[size]
    with running_stack(folder / "state") as stack, Ledger(entries) as book:
        evidence.watch(stack)
        buckets.make(stack, BUCKET)
        killer = Killer(stack, seed or _SEED, targets=(_LOOP, *TARGETS))
        with _loop(stack, folder / "example-loop.log"):
            until(lambda: (_lag(stack) == 0) or None, _READY_SECONDS)
            with killer.killing():
                Load(stack, book, sources, per_second=_PER_SECOND).run(images)
            until(lambda: (_lag(stack) == 0) or None, _DRAIN_SECONDS)
        verdict, _ = storm.settle(stack, entries, sources)
        written = Counter(buckets.versions(stack, BUCKET))
    accepted = [entry.image_id for entry in ledger.read(entries) if entry.is_accepted]
    times = [written[f"{image}.json"] for image in accepted]
    lost, again = times.count(0), sum(max(0, each - 1) for each in times)
    percent = 100 / len(accepted)
    what = f"{len(killer.kills)} kills ({killer.summary})"
    return [
        *storm.findings_of(GOAL, f"ours, {what}", verdict),
        reported(GOAL, "the loop: lost", f"{lost} of {len(accepted)} ({lost * percent:.1f} %)"),
        reported(GOAL, "the loop: inferred again", f"{again} ({again * percent:.1f} %)"),
        reported(GOAL, "ours: inferred again", f"{verdict.repeated_share * 100:.1f} %"),
    ]


@contextmanager
def _loop(stack: LocalStack, log: Path) -> Iterator[None]:
    """Keep the loop running while the block does; it is killed by the name in its run file."""
    stopping = threading.Event()

    def work() -> None:
        while not stopping.is_set():
            process = _start(stack, log)
            while process.poll() is None and not stopping.wait(0.2):
                pass
            process.kill()
            process.wait()
            processes.forget(stack.state_dir / "run", _LOOP)

    thread = threading.Thread(target=work, name=_LOOP)
    thread.start()
    try:
        yield
    finally:
        stopping.set()
        thread.join()


def _start(stack: LocalStack, log: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "bench.comparison.example_loop"]
    with log.open("ab") as output:
        process = subprocess.Popen(
            command, cwd=stack.root, env=stack.addresses, stdout=output, stderr=output
        )
    started = processes.start_time(process.pid)
    if started is not None:
        processes.record(stack.state_dir / "run", Process(_LOOP, process.pid, started))
    return process


def _lag(stack: LocalStack) -> int | None:
    return evidence.lag(stack, GROUP, (topics.UPLOADS,))
