"""More lines than memory holds are sorted, and compared side by side."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from imagectl.sorting import Cursor, Sorted


def test_lines_come_back_sorted_and_once(tmp_path: Path) -> None:
    lines = [f"{number:05d}" for number in range(1000)]
    several = Sorted(tmp_path, lines_in_memory=64)

    for line in random.sample(lines, 1000) + random.sample(lines, 1000):
        several.add(line)

    assert list(several) == lines
    assert list(several) == lines


def test_what_fits_into_memory_needs_no_file(tmp_path: Path) -> None:
    several = Sorted(tmp_path)
    several.add("a")

    assert list(several) == ["a"]
    assert list(tmp_path.iterdir()) == []


def test_a_cursor_tells_what_a_stream_holds() -> None:
    cursor = Cursor(["a/1", "a/2", "b/1"])

    assert not cursor.holds("a/0")
    assert cursor.begins("a/")
    assert cursor.holds("a/2")
    assert not cursor.begins("a/3")
    assert list(cursor.before(None)) == ["b/1"]
    assert not cursor.holds("c")


def test_a_stream_that_is_not_sorted_is_not_believed() -> None:
    cursor = Cursor(["b", "a", "c"])

    with pytest.raises(RuntimeError, match="not sorted"):
        cursor.holds("c")
