"""How the proof is shown: a table for people, JSON for programs."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from imagectl.prove.line import FAIL, GUARANTEES, NOT_SEEN, PASS, Line

_STYLES = {PASS: "green", FAIL: "bold red", NOT_SEEN: "yellow"}
# Wide enough for every column where the output is no terminal.
_FILE_WIDTH = 200


def show(lines: Sequence[Line]) -> None:
    """Print the table and, below it, what was wrong."""
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = _FILE_WIDTH
    table = Table("", "guarantee", "tried", "figures", "verdict", box=None)
    for line in lines:
        verdict = Text(line.verdict, style=_STYLES[line.verdict])
        figures = _words(line.figures)
        table.add_row(str(line.guarantee), GUARANTEES[line.guarantee], line.tried, figures, verdict)
    console.print(table)
    for line in lines:
        for example in line.examples:
            console.print(Text(f"{line.guarantee}: {example}", style=_STYLES[FAIL]), soft_wrap=True)


def as_json(url: str, lines: Sequence[Line]) -> str:
    """Write all lines and whether every one that was tried held."""
    rows = [
        {
            "guarantee": line.guarantee,
            "title": GUARANTEES[line.guarantee],
            "tried": line.tried,
            "figures": dict(line.figures),
            "verdict": line.verdict,
            "wrong": list(line.wrong),
        }
        for line in lines
    ]
    return json.dumps({"deployment": url, "held": held(lines), "lines": rows}, indent=2)


def held(lines: Sequence[Line]) -> bool:
    """Tell whether nothing failed."""
    return all(line.verdict != FAIL for line in lines)


def _words(figures: Mapping[str, object]) -> str:
    return " · ".join(f"{name} {value}" for name, value in figures.items())
