"""`python -m tests.security`: what strangers may try, at length; a figure beside what is allowed.

The tests of this folder try some of each in `make test`; here the numbers are those of the promise.
A run of everything writes its figures into docs/security.md.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path

from bench.reporting import machine
from bench.reporting import report as bench_report
from tests.chaos import report
from tests.chaos.findings import Finding, none_of, reported
from tests.local_stack import running_stack
from tests.security import (
    bombs,
    cost,
    decode_fuzz,
    fields_fuzz,
    multipart_fuzz,
    openapi_fuzz,
    poisoned,
)
from tests.security.doors import faults_of
from tests.stack import ROOT

# What one picture may cost in all, and what is known from its header.
_MOST_SECONDS = 2.5
_MOST_ANSWER_SECONDS = 2.0
_SEED = 17
_PIECES = 20  # of the pictures, so that both cores have work until the end

_PAGE = ROOT / "docs" / "security.md"
_FIGURES = "## Last figures\n"


@dataclass(frozen=True)
class Size:
    """How much is tried: by default what fits in a quarter of an hour on two cores."""

    pictures: int = 100_000
    forms: int = 10_000
    fields: int = 2_000
    requests: int = 10_000
    poison: int = 200
    kills: int = 4
    cases: int = 20_000


def _pictures(size: Size) -> list[Finding]:
    """S1: pictures changed at random."""
    each = size.pictures // _PIECES
    with ProcessPoolExecutor(os.cpu_count(), get_context("spawn")) as pool:
        pieces = list(pool.map(partial(decode_fuzz.fuzz, each), range(_PIECES)))
    wrong = [said for piece in pieces for said in piece.wrong]
    print("\n".join(wrong[:5]), flush=True)
    decoded = sum(piece.outcomes["decoded"] for piece in pieces)
    most = max(piece.most_seconds for piece in pieces)
    return [
        none_of("S1", f"{each * _PIECES:,} pictures changed at random: crashes, hangs", len(wrong)),
        reported("S1", "of them decoded; the costliest", f"{decoded:,}; {most:.2f} s of CPU"),
    ]


def _forms(size: Size) -> list[Finding]:
    """S1: forms, headers, queries and batches."""
    figures = multipart_fuzz.fuzz(size.forms, _SEED)
    fields_fuzz.fuzz(size.fields, _SEED)
    odd = figures.statuses - {400, 415, 431}
    tried = f"{size.forms:,} broken forms and half as many whole ones"
    return [
        none_of("S1", f"{tried}: answers that are none of ours", len(odd)),
        reported("S1", "the costliest form", f"{figures.worst_seconds * 1000:.0f} ms of CPU"),
    ]


def _bombs(size: Size) -> list[Finding]:
    """S2: pictures that try to cost more than they are worth."""
    costs = {name: cost.measure(make()) for name, make in bombs.BOMBS.items()}
    most = max(costs, key=lambda name: costs[name].seconds)
    door = max(costs, key=lambda name: costs[name].door_seconds)
    here = max(each.bytes_here for each in costs.values()) / 1e6
    apart = max(each.bytes_apart for each in costs.values()) / 1e6
    seconds = costs[most].seconds
    return [
        Finding(
            "S2",
            f"{len(costs)} bombs: CPU of the costliest ({most})",
            f"{seconds:.2f} s",
            f"<= {_MOST_SECONDS} s",
            seconds <= _MOST_SECONDS,
        ),
        reported("S2", f"at the door ({door})", f"{costs[door].door_seconds * 1000:.0f} ms of CPU"),
        reported("S2", "memory: the replica, the process beside it", f"{here:.0f}, {apart:.0f} MB"),
    ]


def _doors(size: Size) -> list[Finding]:
    """S12: requests that are nearly right, each followed by one whose answer is known."""
    found = []
    with tempfile.TemporaryDirectory() as folder:
        for door, faults in faults_of(Path(folder), size.requests, _SEED).items():
            print("\n".join(map(str, faults[:3])), flush=True)
            tried = f"{size.requests:,} requests by a grammar to the {door}"
            found.append(none_of("S12", f"{tried}: desyncs, 500, no problem", len(faults)))
    return found


def _poison(size: Size) -> list[Finding]:
    """S8: messages of every kind in the topics that are read, the consumer killed among them."""
    with tempfile.TemporaryDirectory() as folder, running_stack(Path(folder) / "state") as stack:
        calm = poisoned.run(stack, _SEED, size.poison)
        killed = poisoned.run(stack, _SEED + 1, size.poison, size.kills)
    tried = f"{2 * size.poison} messages in two topics"
    innocents = [status for each in (calm, killed) for status, _ in each.innocents]
    return [
        none_of("S8", f"{tried}: not dead-lettered once", len(calm.not_once)),
        none_of("S8", f"{tried}, {size.kills} kills: the same", len(killed.not_once)),
        none_of("S8", "innocents not completed", len(innocents) - innocents.count("completed")),
        Finding(
            "S8",
            "the slowest innocent",
            f"{calm.slowest_seconds:.1f} s",
            "<= 5 s",
            calm.slowest_seconds <= 5,
        ),
        reported("S8", "among kills", f"{killed.slowest_seconds:.1f} s"),
    ]


def _document(size: Size) -> list[Finding]:
    """S1: what schemathesis makes of the document of the calls."""
    with tempfile.TemporaryDirectory() as folder, running_stack(Path(folder) / "state") as stack:
        figures = openapi_fuzz.fuzz(stack, size.cases, _SEED)
    print("\n".join([*figures.faults[:5], *figures.died, figures.slowest]), flush=True)
    tried = f"{figures.cases:,} requests by schemathesis"
    return [
        none_of("S1", f"{tried}: 5xx, undocumented answers, none at all", len(figures.faults)),
        none_of("S1", f"{tried}: processes that ended", len(figures.died)),
        Finding(
            "S1",
            f"{tried}: the slowest answer",
            f"{figures.slowest_seconds:.2f} s",
            f"<= {_MOST_ANSWER_SECONDS:g} s",
            figures.slowest_seconds <= _MOST_ANSWER_SECONDS,
        ),
        reported("S1", "of them answered 429 or 503 at first", f"{figures.busy:,}"),
    ]


def _tests(size: Size) -> list[Finding]:
    """S3-S7, S10: this folder's tests: paths, credentials, tokens, slow clients."""
    command = [sys.executable, "-m", "pytest", "-q", "tests/security"]
    status = subprocess.run(command, cwd=ROOT).returncode
    return [Finding("S3-S10", "tests/security", f"status {status}", "status 0", status == 0)]


PARTS: dict[str, Callable[[Size], list[Finding]]] = {
    "tests": _tests,
    "doors": _doors,
    "bombs": _bombs,
    "poison": _poison,
    "forms": _forms,
    "pictures": _pictures,
    "document": _document,
}


def main() -> int:
    """Return 0, or 1 when something did not hold or did not come to its end."""
    parser = argparse.ArgumentParser(prog="python -m tests.security", description=__doc__)
    parser.add_argument("--only", default=",".join(PARTS), help=f"of {', '.join(PARTS)}")
    chosen = parser.parse_args().only.split(",")
    if unknown := set(chosen) - PARTS.keys():
        parser.error(f"there is no {', '.join(sorted(unknown))}; there are: {', '.join(PARTS)}")
    found: list[Finding] = []
    for name in chosen:
        began = time.monotonic()
        print(f"\n{name}: {PARTS[name].__doc__}", flush=True)
        try:
            found += PARTS[name](Size())
        except Exception as error:
            traceback.print_exc()
            found.append(Finding(name, "runs to its end", repr(error)[:200], "no error", False))
        print(f"{name}: {time.monotonic() - began:.0f} s", flush=True)
    print(report.table(found))
    if chosen == list(PARTS):
        _record(found)
    return 0 if all(finding.held for finding in found) else 1


def _record(found: list[Finding]) -> None:
    """Put the figures at the end of the page, in place of older ones."""
    rows = [
        (each.goal, each.what, each.measured, each.allowed, "yes" if each.held else "**no**")
        for each in found
    ]
    where = machine.describe()
    said = f"By `make security`, {where['date']}, commit {where['commit']}, {where['processor']}."
    head = _PAGE.read_text(encoding="utf-8").partition(_FIGURES)[0]
    table = bench_report.table(("", "what", "measured", "allowed", "held"), rows)
    _PAGE.write_text(f"{head}{_FIGURES}\n{table}\n{said}\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
