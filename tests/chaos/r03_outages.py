"""MinIO, Redis, the classifier and Kafka are down for a while, under load."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.chaos import outages, timeline
from tests.chaos.findings import Finding, Size, none_of
from tests.chaos.ledger import ACCEPTED, Entry
from tests.chaos.outages import Outage
from tests.chaos.storm import findings_of
from tests.chaos.trial import Trial
from tests.local_stack import LocalStack, running_stack

GOAL = "R3"

# A steady rate, far below what the machine can do, and threads enough to keep it up while each
# request takes 2 s: what is offered is the same before, during and after.
_PER_SECOND = 12.0
# A short run asks what that is: half of what one client gets done beside whatever else goes on.
_TRIED, _SHARE, _LEAST_PER_SECOND = 20, 0.5, 0.5
_TRIED_SECONDS = 60.0
_THREADS = 26
_LATEST_ANSWER_SECONDS = 2.0
_LEAST_RATE = 0.95
_UNAVAILABLE = 503
# Nothing is accepted without these; without the others everything is.
_NEEDED_AT_THE_DOOR = ("minio", "kafka")
# What an upload says that waited for one of them too long.
_TOO_SLOW = (
    "MinIO does not answer: TimeoutError",
    "Kafka did not acknowledge in time",
    "Kafka did not acknowledge: Local: Message timed out",
)


@dataclass(frozen=True)
class Plan:
    """How long what lasts: the rate is counted in the last part of a recovery.

    Attributes:
        modes: the ways in which each part is down.
        seconds: of each outage, by part.
        healed_seconds: from an outage's end to the end of the window.
        window_seconds: in which results are counted, before all outages and after each.
    """

    modes: dict[str, Outage]
    seconds: dict[str, float]
    healed_seconds: float
    window_seconds: float


_PLANS = {
    Size.SHORT: Plan(
        {"frozen": outages.frozen},
        {"minio": 10, "redis": 10, "image-classifier": 10, "kafka": 10},
        healed_seconds=10,
        window_seconds=5,
    ),
    Size.FULL: Plan(
        {"frozen": outages.frozen, "gone": outages.gone},
        {"minio": 60, "redis": 60, "image-classifier": 60, "kafka": 30},
        healed_seconds=25,
        window_seconds=10,
    ),
}


@dataclass(frozen=True)
class Down:
    """One outage: of what, how, and when it was, seconds since 1970."""

    part: str
    mode: str
    begin: float
    end: float

    def __str__(self) -> str:
        return f"{self.part} {self.mode} {self.end - self.begin:.0f} s"


def run(size: Size, folder: Path) -> list[Finding]:
    """Take one part after the other down, then look at what was answered and finished."""
    plan = _PLANS[size]
    with running_stack(folder / "state") as stack:
        trial = Trial(stack, folder)
        rate = _PER_SECOND if size is Size.FULL else _bearable(trial)
        with trial.load(threads=_THREADS, per_second=rate) as load, load.running():
            time.sleep(plan.window_seconds + 1)
            started = time.time()
            downs = [
                _take_down(stack, plan, part, mode) for mode in plan.modes for part in plan.seconds
            ]
        verdict, left = trial.judge()
        entries = list(trial.entries())
    results = timeline.results(left)
    before = _rate(results, started - plan.window_seconds, started)
    return [
        *(finding for down in downs for finding in _answers(down, entries)),
        *(_recovery(down, plan, results, before) for down in downs),
        none_of(GOAL, "attempts that outages cost: retries", left.retries),
        none_of(GOAL, "dead letters", len(left.letters) + len(left.failures)),
        *findings_of(GOAL, "all outages", verdict),
    ]


def _bearable(trial: Trial) -> float:
    """Find a rate at which the machine, whatever else it does, refuses nothing for being busy."""
    started = time.monotonic()
    with trial.load(threads=1) as load:
        load.run(_TRIED, _TRIED_SECONDS)
    most = load.accepted / (time.monotonic() - started)
    return max(_LEAST_PER_SECOND, min(_PER_SECOND, _SHARE * most))


def _take_down(stack: LocalStack, plan: Plan, part: str, mode: str) -> Down:
    with plan.modes[mode](stack, part):
        begin = time.time()
        time.sleep(plan.seconds[part])
        end = time.time()
    print(f"  {GOAL} {part} was {mode} for {end - begin:.0f} s", flush=True)
    time.sleep(plan.healed_seconds)
    return Down(part, mode, begin, end)


def _answers(down: Down, entries: Sequence[Entry]) -> Iterator[Finding]:
    """What requests were answered that were sent while the part was down."""
    sent = [each for each in entries if down.begin <= each.sent_at < down.end]
    if down.part not in _NEEDED_AT_THE_DOOR:
        refused = [each for each in sent if each.status != ACCEPTED]
        late = sum((each.refusal or "").startswith(_TOO_SLOW) for each in refused)
        yield none_of(GOAL, f"{down}: {len(sent)} uploads, not accepted", len(refused) - late)
        what = f"{down}: not accepted as MinIO or Kafka, which were up, took too long"
        yield Finding(GOAL, what, str(late), "0", not late, of_speed=True)
        return
    # One sent at the end may be answered when the part is back.
    meanwhile = [each for each in sent if (each.answered_at or down.end) < down.end]
    accepted = sum(each.status == ACCEPTED for each in meanwhile)
    otherwise = sum(each.status not in (ACCEPTED, _UNAVAILABLE) for each in sent)
    longest = max((_seconds(each) for each in sent if each.status == _UNAVAILABLE), default=0.0)
    yield none_of(GOAL, f"{down}: {len(sent)} uploads, 202 meanwhile", accepted)
    yield none_of(GOAL, f"{down}: neither 202 nor 503", otherwise)
    yield Finding(
        GOAL,
        f"{down}: longest until 503",
        f"{longest:.2f} s",
        f"<= {_LATEST_ANSWER_SECONDS:g} s",
        longest <= _LATEST_ANSWER_SECONDS and bool(meanwhile),
        of_speed=True,
    )


def _recovery(down: Down, plan: Plan, results: Sequence[float], before: float) -> Finding:
    until = down.end + plan.healed_seconds
    after = _rate(results, until - plan.window_seconds, until)
    window = f"{plan.healed_seconds - plan.window_seconds:g}-{plan.healed_seconds:g} s after"
    return Finding(
        GOAL,
        f"{down}: results/s {window} : before",
        f"{after:.1f} : {before:.1f}",
        f">= {_LEAST_RATE:.0%}",
        after >= _LEAST_RATE * before,
        of_speed=True,
    )


def _rate(results: Sequence[float], begin: float, end: float) -> float:
    return sum(begin <= each < end for each in results) / (end - begin)


def _seconds(entry: Entry) -> float:
    return (entry.answered_at or float("inf")) - entry.sent_at
