"""What a storm found is kept goal by goal, and the page says all of it."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

from tests.chaos import report
from tests.chaos.findings import Finding, Size

HELD = Finding("R9", "recovery", "1 s", "2 s", True)
BROKEN = Finding("R9", "recovery", "3 s", "2 s", False)


def goal(name: str) -> ModuleType:
    """A module as a goal's is."""
    module = ModuleType("goal", f"Promise of {name}.\n\nHow it is tested.\n")
    module.GOAL = name  # type: ignore[attr-defined]
    return module


def test_a_goal_is_refreshed_and_the_others_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "guarantees.json"
    report.record(path, goal("R10"), [HELD], Size.FULL, 1.0)
    report.record(path, goal("R9"), [BROKEN], Size.FULL, 1.0)

    report.record(path, goal("R9"), [HELD], Size.SHORT, 1.0)
    report.write(path)

    page = path.with_suffix(".md").read_text()
    assert "**no**" not in page
    assert page.index("## R9: Promise of R9.") < page.index("## R10: Promise of R10.")
    assert "How it is tested." in page
    assert "`.venv/bin/python -m tests.chaos --only R9`" in page


def test_what_did_not_hold_is_on_the_page(tmp_path: Path) -> None:
    path = tmp_path / "guarantees.json"

    report.record(path, goal("R9"), [HELD, BROKEN], Size.FULL, 1.0)
    report.write(path)

    assert "| R9 | Promise of R9. | **no** |" in path.with_suffix(".md").read_text()


def test_a_run_of_another_length_is_kept_beside_the_promised_one(tmp_path: Path) -> None:
    path = tmp_path / "guarantees.json"
    report.record(path, goal("R1"), [HELD], Size.FULL, 1.0, images=100_000)

    report.record(path, goal("R1"), [HELD], Size.FULL, 1.0)
    report.write(path)

    page = path.with_suffix(".md").read_text()
    assert page.index("## R1: ") < page.index("## R1, 100,000 images: ")
