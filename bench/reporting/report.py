"""RESULTS.md: every goal beside what is allowed, then a section each with tables and plots."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.reporting import records
from bench.reporting.records import Record

Row = Sequence[object]
PLOTS = "plots"

_HEAD = """\
# What was measured

Written by `make bench-full`; everything below is in [results.json](results.json). One goal is
refreshed by `.venv/bin/python -m bench --full --only P2`. `make bench` runs the short form of all;
what was only measured so is marked *quick*.

RAW is a loop in one process: the same bytes, the same decoding, the same engine, nothing else. CPU
is user and system time of every process of the stack, children included. Figures are medians of
rounds, each with every arm in shuffled order, ratios those of the same round; in brackets the
smallest and the largest. Differences under 15 % are noise. The labels of every answer are compared
with RAW's: a wrong one fails the goal.

The stacks lie in `TMPDIR`. MinIO makes two folders for each object, and ext4 may need ten times as
long for one in a crowded corner of an old disk as on a fresh one: more than a millisecond of CPU an
image. What a new folder cost is told with each goal; for figures that compare, give a fresh disk.

"""
_MACHINE = (
    "processor",
    "memory",
    "system",
    "python",
    "packages",
    "CPU of a new folder",
    "load before",
)


def write(folder: Path) -> None:
    """Write the page beside the results that it is made of."""
    page = render(records.shown(records.read(folder / "results.json")))
    (folder / "RESULTS.md").write_text(page, encoding="utf-8")


def render(shown: Mapping[str, Record]) -> str:
    """Write the page of these records."""
    rows = [row for name, record in shown.items() for row in _summary(name, record)]
    columns = ("goal", "", "measured", "allowed", "held", "date", "commit")
    parts = [_HEAD, table(columns, rows)]
    parts += ["\n" + "\n".join(_section(name, record)) for name, record in shown.items()]
    return "".join(parts)


def table(columns: Row, rows: Iterable[Row]) -> str:
    """Write a Markdown table."""
    lines = [columns, ["---"] * len(columns), *rows]
    return "".join("| " + " | ".join(_cell(cell) for cell in line) + " |\n" for line in lines)


def lines(figures: Iterable[Mapping[str, Any]]) -> str:
    """Write figures for a terminal."""
    rows = [("goal", "what", "measured", "allowed", "held", "")]
    rows += [
        (each["goal"], each["what"], _value(each), each["allowed"], _held(each), each["note"])
        for each in figures
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n" + "\n".join("  ".join(map(str.ljust, row, widths)).rstrip() for row in rows)


def _cell(value: object) -> str:
    return "–" if value is None else f"{value:,}" if isinstance(value, int | float) else str(value)


def _summary(name: str, record: Record) -> Iterator[Row]:
    for each in record["figures"]:
        date, commit = record["date"][:10], record["commit"]
        yield name, each["what"], _value(each), each["allowed"], _bold(each), date, commit


def _section(name: str, record: Record) -> Iterator[str]:
    yield f"## {name}: {record['promise']}\n"
    if record["how"]:
        yield f"{record['how']}\n"
    rows = [
        (each["what"], _value(each), each["allowed"], _bold(each), each["note"])
        for each in record["figures"]
    ]
    yield table(("", "measured", "allowed", "held", ""), rows)
    yield from record["tables"]
    yield from (f"![{name}]({PLOTS}/{plot})\n" for plot in record["plots"])
    machine = "; ".join(f"{each} {record[each]}" for each in _MACHINE if each in record)
    yield (
        f"By `{record['command']}`, {record['seconds']} s, {record['date'][:10]},"
        f" commit {record['commit']}. {machine}.\n"
    )


def _value(figure: Mapping[str, Any]) -> str:
    if figure["measured"] is None:
        return "–"
    unit = f" {figure['unit']}" if figure["unit"] else ""
    spread = figure["spread"]
    between = f" ({spread[0]:,g}–{spread[1]:,g})" if spread else ""
    return f"{figure['measured']:,g}{unit}{between}"


def _held(figure: Mapping[str, Any]) -> str:
    return {True: "yes", False: "no", None: ""}[figure["held"]]


def _bold(figure: Mapping[str, Any]) -> str:
    return {True: "yes", False: "**no**", None: ""}[figure["held"]]
