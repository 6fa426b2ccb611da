"""RAW in several processes at once, a core each: what as many replicas cannot be faster than."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial

from bench.checks import BenchFailed
from bench.measuring import raw
from bench.stacks.stack import BenchStack
from local.services.settings import ROOT


def images_per_second(stack: BenchStack, count: int, processes: int) -> float:
    """Let each process classify so many images; all begin when the last of them is warm.

    Raises:
        BenchFailed: one of them failed.
    """
    cores = sorted(os.sched_getaffinity(0), reverse=True)
    with ExitStack() as stopping:
        running = [
            stopping.enter_context(_process(stack, count, cores[number % len(cores)]))
            for number in range(processes)
        ]
        for each in running:
            if (said := _read(each)) != raw.WARM:
                raise BenchFailed(f"RAW said {said!r}; {raw.WARM!r} was expected")
        for each in running:
            _let_go(each)
        return sum(float(json.loads(_read(each))["imagesPerSecond"]) for each in running)


@contextmanager
def _process(stack: BenchStack, count: int, core: int) -> Iterator[subprocess.Popen[str]]:
    command = [*raw.COMMAND, "--images", str(count), "--wait"]
    running = subprocess.Popen(
        command,
        preexec_fn=partial(os.sched_setaffinity, 0, {core}),
        cwd=ROOT,
        env=raw.environment(stack),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with running:
        try:
            yield running
        finally:
            running.kill()  # one that came to its end has ended already


def _read(running: subprocess.Popen[str]) -> str:
    line = running.stdout.readline() if running.stdout else ""
    if not line:
        raise BenchFailed(f"RAW ended with status {running.wait()}")
    return line.strip()


def _let_go(running: subprocess.Popen[str]) -> None:
    if running.stdin:
        running.stdin.write("\n")
        running.stdin.flush()
