"""docs/openfaas.md says of every point what it is here, and each test that it names is there."""

from __future__ import annotations

import ast
import functools
import re

import pytest

from tests.openfaas.differences import HEADING
from tests.stack import ROOT

PAGE = (ROOT / "docs" / "openfaas.md").read_text(encoding="utf-8")
VERDICTS = {"same", "different", "absent"}


def _rows() -> list[list[str]]:
    """The cells of every row that is neither a heading nor a line below one.

    What was found by asking both sides, at the end of the page, is read by tests/openfaas.
    """
    points = PAGE.partition(f"\n{HEADING}\n")[0]
    lines = [line for line in points.splitlines() if line.startswith("| ")]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return [row for row in rows if row[0] != "OpenFaaS"]


ROWS = _rows()


def _tests(row: list[str]) -> list[str]:
    return re.findall(r"`(tests/[^`]+)`", row[-1])


@functools.cache
def _defined(file: str) -> frozenset[str]:
    tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
    return frozenset(node.name for node in tree.body if isinstance(node, ast.FunctionDef))


def _is_there(test: str) -> bool:
    file, _, name = test.partition("::")
    return (ROOT / file).is_file() and (not name or name in _defined(file))


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0][:60])
def test_a_row_is_whole_and_names_tests_that_are_there(row: list[str]) -> None:
    assert len(row) == 4
    assert row[1] in VERDICTS
    assert [test for test in _tests(row) if not _is_there(test)] == []
    assert row[1] != "same" or any("::" in test for test in _tests(row))
    assert row[1] != "different" or row[2]


def test_no_point_is_told_twice() -> None:
    points = [row[0] for row in ROWS]

    assert len(points) > 60
    assert [point for point in points if points.count(point) > 1] == []
