"""How findings are shown: a line each for people, JSON for programs; and the status of all."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict

import click

from imagectl.doctor.finding import FAILED, OK, STATES, WARNING, Finding

_COLOURS = {OK: "green", WARNING: "yellow", FAILED: "red"}


def status(findings: Sequence[Finding]) -> int:
    """Tell the worst: 0 ok, 1 warning, 2 failed."""
    return max((STATES.index(each.state) for each in findings), default=0)


def show(findings: Sequence[Finding]) -> None:
    """Print a line a check; colours where the output is a terminal."""
    widest = max(len(each.check) for each in findings)
    for each in findings:
        state = click.style(each.state.ljust(7), fg=_COLOURS[each.state])
        said = [each.found]
        said += [f"wanted: {each.wanted}"] if each.wanted else []
        said += [f"change: {each.change}"] if each.change else []
        click.echo(f"{state}  {each.check.ljust(widest)}  {' | '.join(said)}")


def as_json(findings: Sequence[Finding]) -> str:
    """Write all of them, and the status."""
    document = {"status": STATES[status(findings)], "checks": [asdict(each) for each in findings]}
    return json.dumps(document, indent=2, ensure_ascii=False)
