"""Images come in while pods are killed and deleted, functions updated, the release upgraded.

`python -m tests.kubernetes.storm` on the node of a fresh release: nothing that was accepted may be
lost, doubled or wrong.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
from pathlib import Path

from local.services.progress import say
from tests.chaos import evidence, storm
from tests.chaos.faults import TARGETS, Killer
from tests.chaos.findings import Finding, reported
from tests.chaos.ledger import Ledger
from tests.chaos.load import Load
from tests.chaos.pictures import drawn
from tests.kubernetes import rehearsal, speed
from tests.kubernetes.sharing import share
from tests.kubernetes.stack import KubernetesStack
from tests.stack import until

GOAL = "K4"
_SEED = 1
_IMAGES = 2000
_PER_SECOND = 20.0
_THREADS = 6
_STORM_SECONDS = 1800.0
_BACK_SECONDS = 600.0
_DRAIN_SECONDS = 900.0


class Pods:
    """The parts of a release as they are killed: by SIGKILL, or by deleting their pods."""

    def __init__(self, stack: KubernetesStack) -> None:
        self._stack = stack

    def kill(self, name: str, chooser: random.Random | None = None) -> int | None:
        """Kill one process, or delete one pod; one of its process ids, None if there is none."""
        chooser = chooser or random.Random(_SEED)
        if chooser.random() < 0.5:
            return self._stack.kill(name, chooser)
        pods = [pod for pod in self._stack.pods(name) if pod["status"]["phase"] == "Running"]
        pids = self._stack.pids(name)
        if not pods or not pids:
            return None
        names = chooser.choice(pods)["metadata"]
        path = f"/api/v1/namespaces/{names['namespace']}/pods/{names['name']}"
        self._stack.api.delete(path, grace_seconds=0)
        return pids[0]


def main() -> int:
    options = _parse()
    with tempfile.TemporaryDirectory(prefix="storm-") as folder:
        findings = run(KubernetesStack.from_env(), Path(folder), options.images, options.seed)
    for each in findings:
        say(f"  {each.goal} {each.what}: {each.measured} ({each.allowed})")
    broken = [each for each in findings if not each.held]
    for each in broken:
        print(f"broken: {each.goal} {each.what}: {each.measured}", file=sys.stderr)
    return 1 if broken else 0


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.kubernetes.storm", description=__doc__)
    parser.add_argument("--images", type=int, default=_IMAGES)
    parser.add_argument("--seed", type=int, default=_SEED)
    return parser.parse_args()


def run(stack: KubernetesStack, folder: Path, images: int, seed: int) -> list[Finding]:
    """Burst, updates and kills in one ledger, which is checked at the end."""
    entries, sources = folder / "ledger.jsonl", drawn()
    share(stack.api, rehearsal.CLASSIFIER)
    evidence.watch(stack)
    with Ledger(entries) as ledger:
        speed.measured(stack, ledger)  # warm: replicas have come
        per_second = speed.measured(stack, ledger)
        say("  a burst")
        findings = rehearsal.burst(stack, Load(stack, ledger, sources, _THREADS))
        say("  updates")
        gentle = Load(stack, ledger, sources, _THREADS, rehearsal.PER_SECOND)
        findings += rehearsal.rolling(stack, gentle, entries)
        say(f"  {images:,} images, a kill every 5 s")
        load = Load(stack, ledger, sources, _THREADS, _PER_SECOND)
        killer = Killer(Pods(stack), seed, targets=TARGETS, log=folder / "kills.jsonl")
        with killer.killing():
            load.run(images, _STORM_SECONDS)
        assert load.accepted >= images, f"{load.accepted} of {images} were accepted"
        until(stack.is_sound, _BACK_SECONDS)
        verdict, _ = storm.settle(stack, entries, sources, _DRAIN_SECONDS)
    told = f"{len(killer.kills)} kills ({killer.summary}), {load.refused} refused"
    otherwise = f"answers that are neither 202, 429 nor 503: {load.otherwise}"
    return [
        reported("K7", "images a second, from upload to result", f"{per_second:.1f}"),
        *findings,
        *storm.findings_of(GOAL, f"{load.accepted:,} images and those before", verdict),
        reported(GOAL, "the storm", f"{told}, {load.unanswered} unanswered; {otherwise}"),
    ]


if __name__ == "__main__":
    sys.exit(main())
