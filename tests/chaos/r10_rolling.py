"""No request fails while everything that can be rolled is restarted under load.

Functions by a redeploy through the API, the consumer and Redis by SIGTERM, Nginx by a reload. Of
Kafka, MinIO and the provider there is one on one machine: what was refused while they restarted is
told apart.
"""

from __future__ import annotations

import os
import signal
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.names import FUNCTIONS
from tests.chaos import evidence, storm
from tests.chaos.faults import CONSUMER
from tests.chaos.findings import Finding, Size, none_of, reported
from tests.chaos.ledger import Entry, Ledger, read
from tests.chaos.load import Load
from tests.chaos.pictures import drawn
from tests.local_stack import LocalStack, running_stack
from tests.stack import until

GOAL = "R10"

_PER_SECOND = 20.0
_ROUNDS = {Size.SHORT: 1, Size.FULL: 5}
# Between two restarts: what the first one did must show before the second.
_APART_SECONDS = 3.0
_BACK_SECONDS = 60.0

Restart = Callable[[LocalStack], None]


@dataclass(frozen=True)
class Phase:
    """One restart: of what, and from when to when its effects were waited for."""

    name: str
    begin: float
    end: float


def run(size: Size, folder: Path) -> list[Finding]:
    """Restart every part in turn under a steady load."""
    entries, sources = folder / "ledger.jsonl", drawn()
    with running_stack(folder / "state") as stack, Ledger(entries) as ledger:
        evidence.watch(stack)
        with Load(stack, ledger, sources, threads=16, per_second=_PER_SECOND).running():
            time.sleep(_APART_SECONDS)
            rolled = _restart(stack, _ROLLED, _ROUNDS[size])
            single = _restart(stack, _SINGLE, _ROUNDS[size])
        verdict, _ = storm.settle(stack, entries, sources)
    requests = list(read(entries))
    names = ", ".join(_ROLLED)
    return [
        *storm.findings_of(GOAL, f"{_ROUNDS[size]} restarts of everything", verdict),
        none_of(GOAL, f"failed requests while rolling {names}", len(_failed(requests, rolled))),
        *(_reported(name, requests, single) for name in _SINGLE),
    ]


def _restart(stack: LocalStack, parts: dict[str, Restart], rounds: int) -> list[Phase]:
    phases = []
    for _ in range(rounds):
        for name, restart in parts.items():
            begin = time.time()
            restart(stack)
            until(lambda: stack.get("/readyz").status_code == 200, _BACK_SECONDS)
            time.sleep(_APART_SECONDS)
            phases.append(Phase(name, begin, time.time()))
    return phases


def _redeploy(function: str) -> Restart:
    # Another environment makes another version, as another image would.
    return lambda stack: stack.give(function, ROLLED=str(time.time()))


def _terminate(name: str) -> Restart:
    def restart(stack: LocalStack) -> None:
        before = stack.living(name)[0]
        os.kill(before.pid, signal.SIGTERM)
        until(
            lambda: any(each.pid != before.pid for each in stack.living(name)),
            _BACK_SECONDS,
        )

    return restart


def _reload_nginx(stack: LocalStack) -> None:
    os.kill(stack.living("nginx")[0].pid, signal.SIGHUP)


# What another takes over from, or that nobody's request waits for.
_ROLLED: dict[str, Restart] = {
    **{function: _redeploy(function) for function in FUNCTIONS},
    CONSUMER: _terminate(CONSUMER),
    "nginx": _reload_nginx,
    "redis": _terminate("redis"),
}
# One of each on one machine: while it restarts, uploads are refused.
_SINGLE = {name: _terminate(name) for name in ("kafka", "minio", "provider")}


def _failed(requests: Sequence[Entry], phases: Sequence[Phase], name: str = "") -> list[Entry]:
    """Find the requests of these phases that were not answered 202."""
    wanted = [phase for phase in phases if name in ("", phase.name)]
    return [
        entry
        for entry in requests
        if not entry.is_accepted and any(it.begin <= entry.sent_at <= it.end for it in wanted)
    ]


def _reported(name: str, requests: Sequence[Entry], phases: Sequence[Phase]) -> Finding:
    statuses = Counter(entry.status for entry in _failed(requests, phases, name))
    restarts = sum(phase.name == name for phase in phases)
    told = ", ".join(f"{count} × {status or 'no answer'}" for status, count in statuses.items())
    what = f"{name}, of which there is one: refused during {restarts} restarts"
    return reported(GOAL, what, told or "none")
