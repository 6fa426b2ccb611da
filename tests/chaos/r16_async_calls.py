"""No asynchronous call is lost while replicas, provider, Kafka and the queue itself are killed.

10,000 calls are accepted while a process is killed every three seconds, MinIO and Nginx, too: each
is made at least once, with its own body, and its answer sent to its callback. One in a hundred
always fails: it ends as a dead letter after its attempts, and none of the others does.
"""

from __future__ import annotations

from pathlib import Path

from tests.async_queue import running_queue
from tests.chaos.async_storm import TARGETS, Storm
from tests.chaos.faults import Killer
from tests.chaos.findings import Finding, Size, none_of, reported

GOAL = "R16"

_CALLS = {Size.SHORT: 1_000, Size.FULL: 10_000}
_KILL_EVERY_SECONDS = 3.0
_REPLICAS = 3
_ATTEMPTS = 5


def run(size: Size, folder: Path, seed: int = 16, images: int | None = None) -> list[Finding]:
    """Accept calls under kills, and find every one of them."""
    calls = images or _CALLS[size]
    attempts = {"MAX_ATTEMPTS": str(_ATTEMPTS)}
    with running_queue(folder / "state", _REPLICAS, **attempts) as queue:
        killer = Killer(queue.stack, seed, _KILL_EVERY_SECONDS, TARGETS, folder / "kills.jsonl")
        storm = Storm(queue)
        with killer.killing(), storm.sending(calls):
            pass
        verdict = storm.settle()
    kills = f"{len(killer.kills)} kills: {killer.summary}"
    failing = f"of {verdict.failing} that always fail: without a dead letter"
    return [
        none_of(GOAL, f"{verdict.accepted:,} accepted, {kills}; lost", len(verdict.lost)),
        none_of(GOAL, "answers that were not sent on", len(verdict.untold)),
        none_of(GOAL, "answers that are not what was said", len(verdict.garbled)),
        none_of(GOAL, failing, len(verdict.unburied)),
        none_of(GOAL, "dead letters of others", len(verdict.blamed)),
        Finding(
            GOAL,
            "attempts of those that always fail",
            ", ".join(map(str, verdict.attempts)),
            f"<= {_ATTEMPTS}",
            all(attempt <= _ATTEMPTS for attempt in verdict.attempts),
        ),
        reported(GOAL, "calls made again", f"{verdict.again} of {verdict.accepted:,}"),
        reported(GOAL, "refused and sent again", str(storm.refused)),
    ]
