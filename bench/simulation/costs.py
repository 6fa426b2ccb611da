"""The table of measured costs, `costs.json`: each with its unit and where it was measured."""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

TABLE = Path(__file__).parent / "costs.json"
RESULTS = Path(__file__).parents[1] / "results.json"

# Of what is taken from results.json.
_DIGITS = 3

# What a value is: read off, worked out of what was read off, chosen so that the model says what was
# measured of something else, or taken on trust.
KINDS = ("measured", "derived", "calibrated", "assumed")


@dataclass(frozen=True)
class Entry:
    """One figure of the table.

    Attributes:
        kind: one of KINDS.
        source: where it stands, for a reader.
        record: where in results.json it is, the parts of the way divided by slashes; a number is a
            place in a list, `*` every round, of which the median counts.
        commit: at which commit that was measured.
    """

    value: float
    unit: str
    kind: str
    source: str
    record: str = ""
    commit: str = ""


def read(path: Path = TABLE) -> dict[str, dict[str, Entry]]:
    """Read the table: its entries by group and name."""
    groups = json.loads(path.read_text(encoding="utf-8"))
    return {
        group: {name: Entry(**entry) for name, entry in entries.items()}
        for group, entries in groups.items()
    }


def group(table: Mapping[str, Mapping[str, Entry]], name: str) -> dict[str, float]:
    """Give a group's values by their names."""
    return {each: entry.value for each, entry in table[name].items()}


def recorded(results: Mapping[str, Any], entry: Entry) -> float | None:
    """Find what results.json says of an entry; None if that was measured at another commit."""
    goal, *way = entry.record.split("/")
    record = results.get(goal, {})
    if record.get("commit") != entry.commit:
        return None
    return statistics.median(_follow(record, way))


def _follow(found: Any, way: list[str]) -> Iterator[float]:
    if not way:
        yield float(found)
    elif way[0] == "*":
        for each in found:
            yield from _follow(each, way[1:])
    elif isinstance(found, list):
        yield from _follow(found[int(way[0])], way[1:])
    else:
        yield from _follow(found[way[0]], way[1:])


def take(path: Path = TABLE, results: Path = RESULTS) -> None:
    """Take the values that have a record, from whichever commit results.json has it now."""
    table = read(path)
    records = json.loads(results.read_text(encoding="utf-8"))
    for entries in table.values():
        for name, entry in entries.items():
            if entry.record:
                goal = entry.record.partition("/")[0]
                now = replace(entry, commit=records[goal]["commit"])
                value = recorded(records, now)
                entries[name] = replace(now, value=round(value or 0.0, _DIGITS))
    path.write_text(_written(table), encoding="utf-8")


def _written(table: Mapping[str, Mapping[str, Entry]]) -> str:
    groups = {
        group: {
            name: {key: value for key, value in asdict(entry).items() if value != ""}
            for name, entry in entries.items()
        }
        for group, entries in table.items()
    }
    return json.dumps(groups, indent=1, ensure_ascii=False) + "\n"
