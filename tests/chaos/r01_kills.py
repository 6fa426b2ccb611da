"""Nothing accepted is lost or answered twice while a random process is killed every 5 s.

Uploads come in as fast as they are accepted; the seed chooses what is killed by SIGKILL: the
consumer, the autoscaler, the reconciler, a replica of any function, Kafka, MinIO, Redis, Nginx or
the provider; replicas come and go meanwhile, as the backlog needs them. In containers every one of
them is killed at least once. The gateway speaks TLS, and behind it each process has its own rights.
Requests that are refused or get no answer are not sent again: the next one is another image.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.chaos import evidence, storm
from tests.chaos.checker import Verdict
from tests.chaos.faults import Killer
from tests.chaos.findings import Finding, Size, reported
from tests.chaos.ledger import Ledger
from tests.chaos.load import Load
from tests.chaos.pictures import Source, drawn, photos
from tests.compose.project import running_project
from tests.compose.stack import ComposeStack
from tests.local_stack import running_stack
from tests.stack import ROOT, Stack, until

GOAL = "R1"
FIXTURES = ROOT.parent / "shared" / "fixtures"

_SEED = 1
_SEEDS = 3
_IMAGES = 10_000
_REAL_IMAGES = 2_000
_SHORT_IMAGES = 500
# So that every container has its turn to be killed, each 5 s after the one before.
_COMPOSE_IMAGES = 1_500
# So that a few images make a storm of some kills; the full runs upload as fast as accepted.
_SHORT_PER_SECOND = 20.0
_THREADS = 6
_REPEATED_PERCENT = 2.0
# Above the slowest that was seen by far: a storm that hangs must end, too.
_LONGEST_SECONDS_PER_IMAGE = 0.5
_LEAST_SECONDS = 1800.0
_BACK_SECONDS = 300.0
_DRAIN_SECONDS = 300.0
_DRAIN_SECONDS_PER_IMAGE = 0.03


@dataclass(frozen=True)
class Storm:
    """One run: how many images, of which pictures, under which model, killed by which seed."""

    name: str
    seed: int
    images: int
    sources: Sequence[Source]
    per_second: float | None = None
    model_dir: Path | None = None
    in_containers: bool = False


def run(
    size: Size,
    folder: Path,
    seed: int | None = None,
    images: int | None = None,
    compose: bool = False,
) -> list[Finding]:
    """Run the storms; with `images` one of so many, with `seed` that one alone.

    Args:
        compose: run one over the system in containers.
    """
    found: list[Finding] = []
    storms = [_compose_storm(seed, images)] if compose else _storms(size, seed, images)
    for number, each in enumerate(storms):
        print(f"  {each.name}", flush=True)
        found += _run(each, folder / str(number))
    return found


def _storms(size: Size, seed: int | None, images: int | None) -> list[Storm]:
    first = _SEED if seed is None else seed
    if images is not None:
        return [Storm(f"{images:,} images, seed {first}", first, images, drawn())]
    if size is Size.SHORT:
        name = f"{_SHORT_IMAGES} images, seed {first}"
        return [Storm(name, first, _SHORT_IMAGES, drawn(), _SHORT_PER_SECOND)]
    seeds = range(first, first + _SEEDS) if seed is None else [seed]
    storms = [Storm(f"{_IMAGES:,} images, seed {it}", it, _IMAGES, drawn()) for it in seeds]
    if FIXTURES.is_dir():
        model = FIXTURES / "models" / "mobilenet_v2_float32"
        name = f"{_REAL_IMAGES:,} photos, MobileNetV2"
        sources = photos(FIXTURES / "photos")
        storms.append(Storm(name, first, _REAL_IMAGES, sources, model_dir=model))
    return storms


def _compose_storm(seed: int | None, images: int | None) -> Storm:
    first, count = _SEED if seed is None else seed, images or _COMPOSE_IMAGES
    name = f"{count:,} images in containers, seed {first}"
    return Storm(name, first, count, drawn(), _SHORT_PER_SECOND, in_containers=True)


@contextmanager
def _stack(given: Storm, folder: Path) -> Iterator[Stack]:
    """A new stack whose classifier gets the replicas that it needs."""
    settings = {"AUTOSCALE": "1", "TLS": "1"}
    if given.in_containers:
        with running_project(folder, settings) as project:
            yield project
    else:
        with running_stack(folder, given.model_dir, settings) as stack:
            yield stack


def _run(given: Storm, folder: Path) -> list[Finding]:
    folder.mkdir()
    entries = folder / "ledger.jsonl"
    with _stack(given, folder / "state") as stack, Ledger(entries) as ledger:
        evidence.watch(stack)
        load = Load(stack, ledger, given.sources, _THREADS, given.per_second)
        killer = Killer(stack, given.seed, log=folder / "kills.jsonl")
        started = time.monotonic()
        with killer.killing():
            longest = max(_LEAST_SECONDS, given.images * _LONGEST_SECONDS_PER_IMAGE)
            load.run(given.images, longest)
        seconds = time.monotonic() - started
        assert load.accepted >= given.images, f"{load.accepted} accepted in {seconds:.0f} s"
        settled = time.monotonic()
        until(stack.is_sound, _BACK_SECONDS)  # what was killed last is back
        drain_seconds = max(_DRAIN_SECONDS, given.images * _DRAIN_SECONDS_PER_IMAGE)
        verdict, _ = storm.settle(stack, entries, given.sources, drain_seconds)
        spared = _spared(stack, killer)
        checked = time.monotonic() - settled
    said = (
        f"{load.accepted / seconds:.0f}/s, {len(killer.kills)} kills ({killer.summary}),"
        f" {load.refused} refused, {load.unanswered} unanswered;"
        f" worked off and checked after {checked:.0f} s more"
    )
    return [
        *storm.findings_of(GOAL, given.name, verdict),
        _repeated(given.name, verdict),
        reported(GOAL, f"{given.name}: the storm", said),
        Finding(
            GOAL, f"{given.name}: answers that are neither 202, 429 nor 503",
            str(load.otherwise), "0", load.otherwise == 0,
        ),
        *spared,
    ]  # fmt: skip


def _spared(stack: Stack, killer: Killer) -> list[Finding]:
    """See that every container was killed, where there are containers."""
    if not isinstance(stack, ComposeStack):
        return []
    spared = stack.services - {each.name for each in killer.kills}
    what = f"containers of {len(stack.services)} that were not killed"
    return [Finding(GOAL, what, ", ".join(sorted(spared)) or "none", "none", not spared)]


def _repeated(name: str, verdict: Verdict) -> Finding:
    percent = verdict.repeated_share * 100
    measured = f"{percent:.2f} % ({verdict.repeated_inferences} of {verdict.inferences})"
    held = percent <= _REPEATED_PERCENT
    # How much one kill undoes is bounded; how many images there are between two kills is speed.
    return Finding(
        GOAL,
        f"{name}: repeated inferences",
        measured,
        f"{_REPEATED_PERCENT:g} %",
        held,
        of_speed=True,
    )
