"""What differs between two gateways, and which differences docs/openfaas.md lists as wanted."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase

from tests.openfaas.facts import Facts
from tests.openfaas.recording import Seen
from tests.stack import ROOT

PAGE = ROOT / "docs" / "openfaas.md"
HEADING = "## Compared with OpenFaaS itself"
NOTHING = "–"


@dataclass(frozen=True)
class Difference:
    """One fact that is another one here; `NOTHING` where a side has none of the name."""

    case: str
    fact: str
    theirs: str
    ours: str

    def __str__(self) -> str:
        return f"| {self.case} | {self.fact} | {self.theirs} | {self.ours} | why |"


@dataclass(frozen=True)
class Row:
    """A difference that is wanted; `case` and `fact` may have * for anything.

    Several cases, or facts, are divided by semicolons.
    """

    case: str
    fact: str
    theirs: str
    ours: str
    why: str

    def tells_of(self, case: str) -> bool:
        return _matches(self.case, case)

    def allows(self, found: Difference) -> bool:
        return (
            self.tells_of(found.case)
            and _matches(self.fact, found.fact)
            and _matches(self.theirs, found.theirs)
            and _matches(self.ours, found.ours)
        )


def _matches(patterns: str, text: str) -> bool:
    return any(fnmatchcase(text, each.strip()) for each in patterns.split(";"))


def between(theirs: Facts, ours: Facts, case: str) -> Iterator[Difference]:
    for fact in sorted(theirs.keys() | ours.keys()):
        one, other = (_shown(side.get(fact, NOTHING)) for side in (theirs, ours))
        if one != other:
            yield Difference(case, fact, one, other)


def _shown(text: str) -> str:
    """Write a fact as a cell of a table can have it."""
    return text.replace("|", "/").replace("`", "'") or "empty"


def found(theirs: Seen, ours: Seen) -> list[Difference]:
    """Return all differences of the cases that both have."""
    return [
        each for case in theirs if case in ours for each in between(theirs[case], ours[case], case)
    ]


def listed() -> list[Row]:
    """Read the table of what is wanted."""
    section = PAGE.read_text(encoding="utf-8").partition(f"\n{HEADING}\n")[2].partition("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("| ")][1:]
    return [Row(*_cells(line)) for line in lines]


def _cells(line: str) -> list[str]:
    return [cell.strip().replace("`", "") for cell in line.strip().strip("|").split("|")]


def unlisted(differences: Iterable[Difference], rows: Iterable[Row]) -> list[Difference]:
    rows = list(rows)
    return [each for each in differences if not any(row.allows(each) for row in rows)]


def gone(differences: Iterable[Difference], rows: Iterable[Row]) -> list[Row]:
    """Return what is listed and no longer so."""
    differences = list(differences)
    return [row for row in rows if not any(row.allows(each) for each in differences)]
