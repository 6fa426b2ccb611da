"""The lines that say which inferences were begun."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.hooks import inferences


@pytest.fixture(autouse=True)
def _switched_off_again() -> Iterator[None]:
    yield
    inferences.configure("")


def test_every_inference_has_a_line_of_its_own(tmp_path: Path) -> None:
    inferences.configure(str(tmp_path / "log"))

    inferences.note("default", "a" * 64, "model-1")
    inferences.note("default", "b" * 64, "model-1")

    lines = [line.split()[1:] for line in (tmp_path / "log").read_text().splitlines()]
    pid = str(os.getpid())
    assert lines == [
        [pid, "default", "a" * 64, "model-1"],
        [pid, "default", "b" * 64, "model-1"],
    ]


def test_an_image_is_noted_before_it_is_looked_at_and_no_other_with_it(tmp_path: Path) -> None:
    inferences.configure(str(tmp_path / "log"))
    chunk = {"a": 1, "b": 2}

    lines_then = [
        (each, len((tmp_path / "log").read_text().splitlines()))
        for each in inferences.noted(chunk, lambda image: ("default", image, "model-1"))
    ]

    assert lines_then == [(("a", 1), 1), (("b", 2), 2)]


def test_nothing_is_written_unless_told(tmp_path: Path) -> None:
    inferences.configure("")

    inferences.note("default", "a" * 64, "model-1")
    images = list(inferences.noted({"a": 1}, lambda image: ("default", image, "model-1")))

    assert images == [("a", 1)]
    assert list(tmp_path.iterdir()) == []
