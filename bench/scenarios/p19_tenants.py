"""What one tenant sends makes no other one wait, however much it is.

A tenant sends single images, open loop: alone first; then while another one uploads from eight
clients as fast as they are answered; then while a key of that one goes on asking for ten times as
much as its rate, and is refused at the gateway; then while a backlog of that one, uploaded while
the consumer stood still, is worked off by two replicas. Told is the time from the instant that an
upload was meant to start to its 202, and to the arrival of its result event. An upload for whose
answer the tenant with the backlog waits itself (`Prefer: wait=10`) is told beside it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

from bench.checks import BenchFailed
from bench.load.arrivals import Arrivals
from bench.load.client import Client, upload_all
from bench.load.flood import flood
from bench.load.latency import Latency
from bench.measuring.warm import Warm, warm_stack
from bench.progress import say
from bench.reporting import judged
from bench.reporting.report import table
from bench.scenario import Context, Figure, Outcome
from bench.stacks.functions import CLASSIFIER, Functions, until
from bench.stacks.stack import CONSUMER
from imagectl.keys.folder import KeyFolder
from imagectl.keys.record import Record
from local.services.settings import ROOT
from pipeline.errors import Unavailable
from pipeline.kafka.backlog import BacklogProbe
from tests.tenants import second_key

GOAL = "P19"

_REPLICAS = 2
_PER_SECOND = 4.0
_CLIENTS = 8
# What the key that goes on asking may do, and does.
_ALLOWED_PER_SECOND = 10
_ASKED_PER_SECOND = 100
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
        with flood(warm.stack, warm.drain.new_images(), _CLIENTS):
            found["beside a flood"] = _singles(warm, "flood", seconds)
        _drained(warm)
        with _knocking(warm):
            found["beside a refused flood"] = _singles(warm, "knocking", seconds)
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
def _knocking(warm: Warm) -> Iterator[None]:
    """Go on asking with a key that has a rate inside the block.

    Raises:
        BenchFailed: more were let in than the rate allows, or none was refused.
    """
    state = warm.stack.state_dir
    folder, rate = KeyFolder(state / "keys", state / "keys-used"), f"{_ALLOWED_PER_SECOND}/s"
    wanted = Record("", "default", ("upload",), "knocking", 0, rate=rate, burst=_ALLOWED_PER_SECOND)
    with folder.locked():
        key, _ = folder.create(wanted)
    image = state / "knocking.jpg"
    image.write_bytes(warm.photo.numbered("knocking", 0))
    where = {"GATEWAY": "{}:{}".format(*warm.stack.gateway), "API_KEY": key}
    command = [sys.executable, "-m", "bench.load.knocking", str(_ASKED_PER_SECOND), str(image)]
    began = time.time()
    with subprocess.Popen(
        command,
        cwd=ROOT,
        env={**os.environ, **where},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as sender:
        yield
        told = json.loads(sender.communicate(b"")[0])
    most = 1.05 * _ALLOWED_PER_SECOND * (time.time() - began + 1)
    refused = told.pop("429", 0)
    say(f"{sum(told.values()):,} of the flood were let in, {refused:,} refused.")
    if not refused or sum(told.values()) > most:
        raise BenchFailed(f"{told} were let in, {refused} refused; {most:.0f} may be let in")


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
    refused = found["beside a refused flood"]["accepted"]["p99"] / alone["accepted"]["p99"]
    results = flood["result"]["p95"] / alone["result"]["p95"]
    what = f"one image beside a backlog of {backlog:,} of another tenant : alone, p95"
    return [
        judged.at_most(GOAL, what, [waits], 3.0),
        judged.reported(GOAL, "the same, milliseconds", [beside["result"]["p95"]], "ms"),
        judged.reported(
            GOAL, "the busy tenant itself, with `Prefer: wait`, p95", [own["p95"]], "ms"
        ),
        judged.at_most(GOAL, "202 beside another tenant's flood : alone, p99", [flooded], 1.5),
        judged.at_most(
            GOAL,
            "202 beside another tenant's flood that its rate refuses : alone, p99",
            [refused],
            1.5,
        ),
        judged.reported(GOAL, "result beside another tenant's flood : alone, p95", [results]),
    ]


def _table(found: dict[str, dict[str, Times]]) -> str:
    rows = [
        (f"{part}, {where}", *(times[share] for share in _SHARES))
        for where, parts in found.items()
        for part, times in parts.items()
    ]
    return "Milliseconds:\n\n" + table(("", *_SHARES), rows)
