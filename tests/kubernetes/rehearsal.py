"""What a release goes through while images come in: a burst, rolling updates, an upgrade of it."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event, Thread

from local.services.progress import say
from pipeline.names import FUNCTIONS
from tests.chaos import evidence
from tests.chaos.faults import CONSUMER
from tests.chaos.findings import Finding, none_of, reported
from tests.chaos.ledger import read
from tests.chaos.load import Load
from tests.kubernetes import openfaas, release
from tests.kubernetes.stack import KubernetesStack
from tests.stack import until

GOAL = "K3"
CLASSIFIER = "image-classifier"
_BACKLOG = 1500
_LOOK_SECONDS = 0.2
_BACK_SECONDS = 600.0
# Between two updates: what the first one did must show before the second.
_APART_SECONDS = 3.0
PER_SECOND = 10.0
_UPGRADE = "the release"
_EXAMPLES = 5


@dataclass
class Watched:
    """When a function first had how many replicas: seconds since the watch began.

    Attributes:
        wanted, ready: by the number of replicas.
    """

    wanted: dict[int, float] = field(default_factory=dict)
    ready: dict[int, float] = field(default_factory=dict)


@contextmanager
def watched(stack: KubernetesStack, function: str) -> Iterator[Watched]:
    """Note the replicas of a function until the block ends."""
    seen, ended, started = Watched(), Event(), time.monotonic()
    path = f"/apis/apps/v1/namespaces/{openfaas.FUNCTIONS}/deployments/{function}"

    def look() -> None:
        while not ended.wait(_LOOK_SECONDS):
            found = stack.api.get(path)
            now = time.monotonic() - started
            seen.wanted.setdefault(found["spec"]["replicas"], now)
            seen.ready.setdefault(found["status"].get("availableReplicas", 0), now)

    looking = Thread(target=look)
    looking.start()
    try:
        yield seen
    finally:
        ended.set()
        looking.join()


def burst(stack: KubernetesStack, load: Load) -> list[Finding]:
    """Let a backlog come, and see replicas come and go."""

    def replicas() -> tuple[int, int]:
        path = f"/apis/apps/v1/namespaces/{openfaas.FUNCTIONS}/deployments/{CLASSIFIER}"
        found = stack.api.get(path)
        return found["spec"]["replicas"], found["status"].get("availableReplicas", 0)

    until(lambda: replicas() == (1, 1), _BACK_SECONDS)
    began = time.monotonic()
    with watched(stack, CLASSIFIER) as seen:
        with stack.frozen(CONSUMER):
            load.run(load.accepted + _BACKLOG)
        thawed = time.monotonic()
        drained = evidence.drain(stack, _BACK_SECONDS)
        until(lambda: replicas() == (1, 1), _BACK_SECONDS)
        back = time.monotonic() - thawed
    most = max(seen.wanted)
    serve = seen.ready.get(most, float("inf"))
    uploaded = f"{_BACKLOG} were uploaded in {thawed - began:.0f} s"
    return [
        Finding(GOAL, "most replicas in a burst", str(most), str(release.CAP), most == release.CAP),
        reported(GOAL, f"{most} are wanted", f"after {seen.wanted[most]:.1f} s; {uploaded}"),
        reported(GOAL, f"{most} serve", f"after {serve:.1f} s"),
        reported(GOAL, "the backlog was gone", f"{drained:.0f} s after the consumer went on"),
        reported(GOAL, "there was one replica again", f"{back:.0f} s after it"),
    ]


def rolling(stack: KubernetesStack, load: Load, ledger: Path) -> list[Finding]:
    """Update every function, then upgrade the release, while images come in."""
    phases = {}
    with load.running():
        time.sleep(_APART_SECONDS)
        for name in (*FUNCTIONS, _UPGRADE):
            began = time.time()
            if name == _UPGRADE:
                release.upgrade(os.environ, "--reuse-values", "--set=settings.LOG_LEVEL=DEBUG")
            else:
                stack.give(name, ROLLED=str(began))
            until(lambda: stack.get("/readyz").status_code == 200)
            time.sleep(_APART_SECONDS)
            phases[name] = began, time.time()
    requests = [each for each in read(ledger) if not each.is_accepted]
    findings = []
    for name, (began, ended) in phases.items():
        failed = [each for each in requests if began <= each.sent_at <= ended]
        for each in failed[:_EXAMPLES]:
            say(f"    {name}: {each.status or 'no answer'}: {each.refusal}")
        what = f"failed requests during an update of {name}, {ended - began:.0f} s"
        findings.append(none_of(GOAL, what, len(failed)))
    return findings
