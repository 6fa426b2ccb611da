"""What one tenant sends makes no other one wait, however much it is.

A tenant sends single images, open loop: alone first; then while another one uploads from eight
clients as fast as they are answered; then while a backlog of that one, uploaded while the consumer
stood still, is worked off by two replicas. Told is the time from the instant that an upload was
meant to start to its 202, and to the arrival of its result event. An upload for whose answer the
tenant with the backlog waits itself (`Prefer: wait=10`) is told beside it.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from itertools import count
from typing import Any

from bench.checks import BenchFailed
from bench.load.arrivals import Arrivals
from bench.load.client import Client, upload_all
from bench.load.latency import Latency
from bench.measuring.warm import Warm, warm_stack
from bench.progress import say
from bench.reporting import judged
from bench.reporting.report import table
from bench.scenario import Context, Figure, Outcome
from bench.stacks.functions import CLASSIFIER, Functions, until
from bench.stacks.stack import CONSUMER
from pipeline.errors import Unavailable
from pipeline.kafka.backlog import BacklogProbe
from tests.tenants import second_key

GOAL = "P19"

_REPLICAS = 2
_PER_SECOND = 4.0
_CLIENTS = 8
_SHARES = ("p50", "p95", "p99", "max")
# So many results have come: every part is at it.
_DRAINING = 100
_DRAINED_SECONDS = 300.0

Times = dict[str, float]


def run(context: Context) -> Outcome:
    """Measure all on one stack."""
    backlog, seconds = (100_000, 60.0) if context.full else (6_000, 10.0)
    with warm_stack(context.model_dir) as warm:
        Functions(warm.stack).scale(CLASSIFIER, _REPLICAS)
        found = {"alone": _singles(warm, "alone", seconds)}
        with _flood(warm):
            found["beside a flood"] = _singles(warm, "flood", seconds)
        _drained(warm)
        with _backlog(warm, backlog):
            found["beside a backlog"] = _singles(warm, "backlog", seconds)
            found["beside one's own backlog"] = {"answer": _own(warm, seconds)}
    figures = _judge(found, backlog)
    details = {"backlog": backlog, "seconds": seconds, "found": found}
    return Outcome(figures, details, [_table(found)], [])


def _singles(warm: Warm, name: str, seconds: float) -> dict[str, Times]:
    """Upload single images of the tenant that has nothing else to do."""
    key = second_key(warm.stack.state_dir / "api-key")
    loop = Latency(warm.stack, warm.photo, warm.labels, _PER_SECOND, seconds, name, key)
    found: dict[str, Any] = loop.until_event()
    return {part: found[part] for part in ("accepted", "result", "lateStart")}


def _own(warm: Warm, seconds: float) -> Times:
    """Upload single images of the busy tenant, which waits for them."""
    loop = Latency(warm.stack, warm.photo, warm.labels, _PER_SECOND, seconds, "own")
    answer: Times = loop.until_answer()["answer"]
    return answer


@contextmanager
def _backlog(warm: Warm, images: int) -> Iterator[None]:
    """Work off a backlog inside the block.

    Raises:
        BenchFailed: nothing of it was left at the end.
    """
    image = warm.drain.new_images()
    with Arrivals(warm.stack.settings) as arrivals, closing(Client(warm.stack)) as client:
        with warm.stack.frozen(CONSUMER):
            upload_all(client, image, images, _CLIENTS)
        until(lambda: arrivals.count > _DRAINING, "results of the backlog")
        yield
    if not _waiting(BacklogProbe(warm.stack.settings)):
        raise BenchFailed(f"a backlog of {images:,} was worked off too soon to measure beside it")


@contextmanager
def _flood(warm: Warm) -> Iterator[None]:
    """Upload as fast as it is answered inside the block."""
    image, numbers, enough = warm.drain.new_images(), count(), threading.Event()

    def work() -> None:
        while not enough.is_set():
            answer = client.upload(image(next(numbers)))
            enough.wait(answer.retry_after_seconds)

    with closing(Client(warm.stack)) as client, ThreadPoolExecutor(_CLIENTS) as clients:
        running = [clients.submit(work) for _ in range(_CLIENTS)]
        try:
            yield
        finally:
            enough.set()
        for each in running:
            each.result()
    say(f"{next(numbers):,} uploads of the flood.")


def _drained(warm: Warm) -> None:
    probe = BacklogProbe(warm.stack.settings)
    until(lambda: _waiting(probe) == 0, "the end of the flood", _DRAINED_SECONDS)


def _waiting(probe: BacklogProbe) -> int | None:
    try:
        return probe.read().waiting
    except Unavailable:
        return None


def _judge(found: dict[str, dict[str, Times]], backlog: int) -> list[Figure]:
    alone, beside = found["alone"], found["beside a backlog"]
    flood, own = found["beside a flood"], found["beside one's own backlog"]["answer"]
    waits = beside["result"]["p95"] / alone["result"]["p95"]
    flooded = flood["accepted"]["p99"] / alone["accepted"]["p99"]
    results = flood["result"]["p95"] / alone["result"]["p95"]
    what = f"one image beside a backlog of {backlog:,} of another tenant : alone, p95"
    return [
        judged.at_most(GOAL, what, [waits], 3.0),
        judged.reported(GOAL, "the same, milliseconds", [beside["result"]["p95"]], "ms"),
        judged.reported(
            GOAL, "the busy tenant itself, with `Prefer: wait`, p95", [own["p95"]], "ms"
        ),
        judged.at_most(GOAL, "202 beside another tenant's flood : alone, p99", [flooded], 1.5),
        judged.reported(GOAL, "result beside another tenant's flood : alone, p95", [results]),
    ]


def _table(found: dict[str, dict[str, Times]]) -> str:
    rows = [
        (f"{part}, {where}", *(times[share] for share in _SHARES))
        for where, parts in found.items()
        for part, times in parts.items()
    ]
    return "Milliseconds:\n\n" + table(("", *_SHARES), rows)
