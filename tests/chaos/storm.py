"""What every storm ends with: all is worked off, collected and checked; and what is said of it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from tests.chaos import evidence, ledger, oracle
from tests.chaos.checker import Verdict, check
from tests.chaos.findings import Finding
from tests.chaos.pictures import Source
from tests.chaos.traces import Evidence
from tests.stack import Stack

_EXAMPLES = 5
# What a lost acceptance, a second answer or a wrong one would show as; 0 of each.
_KINDS = (
    "lost", "doubled", "wrong", "phantom", "false_acceptances", "unannounced", "dead_letters",
    "conservation",
)  # fmt: skip


def settle(
    stack: Stack,
    entries: Path,
    sources: Sequence[Source],
    seconds: float = 300.0,
    models: Iterable[str] | None = None,
) -> tuple[Verdict, Evidence]:
    """Wait until the lag is 0, collect what is there, and check it against a ledger.

    Args:
        models: ids of all models that jobs were accepted under; the current one when not given.

    Raises:
        AssertionError: the lag did not become 0 in time.
    """
    left = collect(stack, seconds)
    told = oracle.ask(stack.store, models or [oracle.current_model(stack.store)], sources)
    return check(ledger.read(entries), left, told), left


def collect(stack: Stack, seconds: float) -> Evidence:
    """Collect what is there; again when more came meanwhile.

    The stack looks for lost images by itself, and sends again what was stored and then refused.
    """
    while True:
        evidence.drain(stack, seconds)
        _, ends = evidence.positions(stack)
        left = evidence.collect(stack)
        if evidence.positions(stack)[1] == ends:
            return left


def findings_of(goal: str, what: str, verdict: Verdict) -> list[Finding]:
    """Say of a verdict that nothing was lost, doubled, wrong …; print examples of what was."""
    counts = {kind: len(getattr(verdict, kind)) for kind in _KINDS}
    for kind, found in verdict.violations.items():
        for sentence in found[:_EXAMPLES]:
            print(f"  {goal} {kind}: {sentence}", flush=True)
    wrong = {kind: count for kind, count in counts.items() if count}
    none = f"0 {', '.join(kind.replace('_', ' ') for kind in _KINDS[:4])} of {verdict.accepted:,}"
    some = ", ".join(f"{count} {kind.replace('_', ' ')}" for kind, count in wrong.items())
    measured = f"{some} of {verdict.accepted:,}" if wrong else none
    return [Finding(goal, what, measured, "0 of any violation", not wrong)]
