"""Links to Kafka, MinIO, Redis and the provider are slow, silent, broken or cut, under load."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

from pipeline.timeouts.defaults import SESSION_SECONDS
from tests.chaos.findings import Finding, Size, none_of, reported
from tests.chaos.ledger import ACCEPTED, Entry
from tests.chaos.linked_stack import linked_stack
from tests.chaos.storm import findings_of
from tests.chaos.toxiproxy import TROUBLES, Link, Trouble
from tests.chaos.trial import Trial

GOAL = "R4"

_PER_SECOND = 15.0
_THREADS = 8
# Longer than any timeout on an upload's way, and than Kafka's session by a little.
_TROUBLE_SECONDS = {Size.SHORT: 2.0, Size.FULL: SESSION_SECONDS + 1.0}
# After healing; nothing here waits longer than for a session or a restart.
_RECOVERY_SECONDS = 60.0
_EXPECTED = (ACCEPTED, 429, 503)


@dataclass(frozen=True)
class Cell:
    """One trouble of one link: when it was, and how long until all parts were sound again."""

    link: str
    trouble: str
    begin: float
    end: float
    recovered_seconds: float


def run(size: Size, folder: Path) -> list[Finding]:
    """Give every link every trouble, one after the other, then judge all that was sent."""
    with linked_stack(folder) as (stack, links):
        trial = Trial(stack, folder)
        with trial.load(threads=_THREADS, per_second=_PER_SECOND) as load, load.running():
            cells = [
                _suffer(trial, name, link, trouble, _TROUBLE_SECONDS[size])
                for (name, link), trouble in product(links.items(), TROUBLES)
            ]
        verdict, left = trial.judge()
        entries = list(trial.entries())
    otherwise = sum(each.status not in (*_EXPECTED, None) for each in entries)
    return [
        *(_finding(name, cells, entries) for name in links),
        none_of(GOAL, "answers that are neither 202 nor 429 nor 503", otherwise),
        *findings_of(GOAL, f"{len(cells)} cells: link x trouble", verdict),
        reported(GOAL, "attempts that links cost: retries", str(left.retries)),
    ]


def _suffer(trial: Trial, name: str, link: Link, trouble: Trouble, seconds: float) -> Cell:
    begin = time.time()
    with link.suffers(trouble):
        time.sleep(seconds)
    end = time.time()
    trial.recover(_RECOVERY_SECONDS)
    recovered = time.time() - end
    print(f"  {GOAL} {name}: {trouble.name}: sound after {recovered:.1f} s", flush=True)
    return Cell(name, trouble.name, begin, end, recovered)


def _finding(link: str, cells: Sequence[Cell], entries: Sequence[Entry]) -> Finding:
    """What became of the uploads that were sent while a link was in trouble."""
    its_own = [cell for cell in cells if cell.link == link]
    told = [f"{cell.trouble} {_accepted(cell, entries)}" for cell in its_own]
    longest = max(cell.recovered_seconds for cell in its_own)
    what = f"link to {link}: accepted meanwhile: {', '.join(told)}"
    return Finding(
        GOAL,
        what,
        f"sound {longest:.1f} s after healing at the latest",
        f"<= {_RECOVERY_SECONDS:g} s",
        longest <= _RECOVERY_SECONDS,
    )


def _accepted(cell: Cell, entries: Sequence[Entry]) -> str:
    sent = Counter(each.status for each in entries if cell.begin <= each.sent_at < cell.end)
    return f"{sent[ACCEPTED]}/{sent.total()}"
