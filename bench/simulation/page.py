"""The tables of docs/scale.md: written between marks, the text around them by hand."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from bench.reporting.report import table
from bench.simulation import bounds, needs, walls
from bench.simulation.comparison import CALIBRATED, is_close, why_far
from bench.simulation.costs import Entry
from bench.simulation.plan import Planner
from bench.simulation.tables import Tables

PAGE = Path(__file__).parents[2] / "docs" / "scale.md"

_MARKED = re.compile(r"(<!-- table: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)

Found = Mapping[str, Any]


def render(text: str, tables: Tables, found: Found) -> str:
    """Write every marked table anew.

    Raises:
        KeyError: a mark names no table.
    """
    planner = Planner(tables)
    known: dict[str, Callable[[], str]] = {
        "basis": lambda: needs.basis(tables, planner),
        "needs": lambda: needs.needs(planner),
        "bounds": lambda: bounds.bounds(tables, planner),
        "images": lambda: needs.a_billion(planner),
        "walls": lambda: walls.walls(planner),
        "runs": lambda: _runs(found["extrapolations"]),
        "figures": lambda: _figures(tables.table["figures"], found["figures"]),
        "assumptions": lambda: _assumptions(tables.table["assumptions"]),
    }
    return _MARKED.sub(lambda mark: f"{mark[1]}\n{known[mark[2]]()}\n{mark[3]}", text)


def _figures(figures: Mapping[str, Entry], found: Mapping[str, float]) -> str:
    rows = [
        (
            entry.source,
            f"{entry.value:,g} {entry.unit}",
            f"{found[name]:,.4g} {entry.unit}",
            f"{found[name] / entry.value - 1:+.1%}",
            "calibrated" if name in CALIBRATED else "validated",
            "" if is_close(entry.value, found[name]) else why_far(name),
        )
        for name, entry in figures.items()
    ]
    columns = ("figure", "measured", "the model says", "difference", "", "where it is not close")
    return table(columns, rows)


def _runs(found: Mapping[str, Found]) -> str:
    rows = [
        (
            name,
            f"{run['resultsPerSecond']:,.0f}",
            f"{run['p50']:,.0f} ms",
            f"{run['p99']:,.0f} ms",
            f"{run['waiting']:,}",
            ", ".join(f"{part} {share:.0%}" for part, share in list(run["busy"].items())[:3]),
        )
        for name, run in found.items()
    ]
    columns = ("cluster, and what it is offered", "results/s", "upload → result, p50", "p99")
    return table((*columns, "waiting at the end", "the busiest parts"), rows)


def _assumptions(entries: Mapping[str, Entry]) -> str:
    rows = [(name, f"{it.value:g} {it.unit}", it.source) for name, it in entries.items()]
    return table(("taken on trust", "", "why"), rows)
