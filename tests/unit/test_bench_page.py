"""What a run of the bench leaves behind: records merged goal by goal, the page, the plots."""

from __future__ import annotations

import argparse
from pathlib import Path
from types import ModuleType
from typing import Any
from xml.etree import ElementTree

import pytest

from bench import __main__ as bench_main
from bench.reporting import records, report, svg
from bench.reporting.judged import at_least, at_most, exactly, missing, reported
from bench.scenario import Context, Outcome


def scenario(goal: str, *measured: float) -> ModuleType:
    """A goal whose rounds found this."""
    module = ModuleType(goal.lower(), f"{goal} is kept.\n\nIn rounds.\n")
    figures = [at_least(goal, "a / b", measured, 0.9)] if measured else []

    def run(context: Context) -> Outcome:
        return Outcome(figures, {"rounds": list(measured)}, ["| a |\n"], ["a.svg"])

    def fail(context: Context) -> Outcome:
        raise ValueError("a wrong | answer")

    module.__dict__.update(GOAL=goal, run=run if measured else fail)
    return module


def measure(folder: Path, module: ModuleType, full: bool = True) -> Outcome:
    """Run it as the command does, into this folder."""
    options = argparse.Namespace(full=full, output=folder, model_dir=None, int8_dir=None, plant="")
    return bench_main._measure(module.GOAL, module, options)


def page(folder: Path) -> str:
    report.write(folder)
    return (folder / "RESULTS.md").read_text(encoding="utf-8")


def test_the_median_is_judged_and_the_spread_shown() -> None:
    figure = at_least("P1", "a / b", [0.9, 1.0, 0.5], 0.9)

    assert (figure.measured, figure.spread, figure.held) == (0.9, (0.5, 1.0), True)
    assert figure.allowed == ">= 0.9"


def test_a_figure_beyond_its_bar_is_not_held() -> None:
    assert at_most("P2", "a / b", [1.6], 1.5).held is False
    assert exactly("P11", "inferences", 2, 1).held is False
    assert reported("P4", "uploads", [7.0], "uploads/s").held is None


def test_one_round_has_no_spread() -> None:
    assert at_most("P2", "a / b", [1.6], 1.5).spread is None


def test_a_goal_replaces_its_own_record_alone(tmp_path: Path) -> None:
    measure(tmp_path, scenario("P2", 0.5))
    measure(tmp_path, scenario("P1", 0.9))

    measure(tmp_path, scenario("P2", 0.7))

    kept = records.read(tmp_path / "results.json")
    assert list(kept) == ["P1", "P2"]
    assert [kept[goal]["figures"][0]["measured"] for goal in kept] == [0.9, 0.7]


def test_a_quick_run_does_not_hide_a_full_one(tmp_path: Path) -> None:
    measure(tmp_path, scenario("P2", 0.5), full=True)
    measure(tmp_path, scenario("P2", 0.7), full=False)
    measure(tmp_path, scenario("P10", 0.8), full=False)

    kept = records.read(tmp_path / "results.json")

    assert list(kept) == ["P2", "P2, quick", "P10, quick"]
    assert list(records.shown(kept)) == ["P2", "P10, quick"]


def test_a_scenario_that_fails_loses_no_others(tmp_path: Path) -> None:
    measure(tmp_path, scenario("P1", 0.9))

    failed = measure(tmp_path, scenario("P2"))

    assert not failed.details
    assert failed.figures == [
        missing("P2", "runs to its end", "no error", "ValueError: a wrong / answer")
    ]
    assert "| P1 | a / b | 0.9 | >= 0.9 | yes |" in page(tmp_path)
    assert "| P2 | runs to its end | – | no error | **no** |" in page(tmp_path)


def test_a_section_says_promise_method_command_tables_and_plots(tmp_path: Path) -> None:
    measure(tmp_path, scenario("P1", 0.8, 1.0))

    text = page(tmp_path)

    assert "## P1: P1 is kept.\n\nIn rounds.\n" in text
    assert "| a / b | 0.9 (0.8–1) | >= 0.9 | yes |  |" in text
    assert "\n| a |\n" in text
    assert "![P1](plots/a.svg)" in text
    assert "By `.venv/bin/python -m bench --full --only P1`" in text


def test_figures_are_shown_on_a_terminal() -> None:
    figure: dict[str, Any] = {
        "goal": "P4", "what": "uploads", "measured": 1234.5, "unit": "uploads/s",
        "allowed": "reported", "held": None, "spread": None, "note": "",
    }  # fmt: skip

    assert report.lines([figure]).splitlines() == [
        "",
        "goal  what     measured           allowed   held",
        "P4    uploads  1,234.5 uploads/s  reported",
    ]


def test_what_was_planted_is_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["bench", "--plant", "infer"])

    with pytest.raises(SystemExit):
        bench_main.main()


def test_every_scenario_says_its_promise_and_goal() -> None:
    for goal, module in bench_main.scenarios().items():
        number = int(module.__name__.rpartition(".p")[2][:2])
        assert goal == f"P{number}"
        assert (module.__doc__ or "").partition("\n")[0].endswith(".")


@pytest.mark.parametrize(
    ("most", "expected"), [(10, [0, 2, 4, 6, 8, 10]), (0.7, [0, 0.2, 0.4, 0.6]), (1, None)]
)
def test_ticks_are_round(most: float, expected: list[float] | None) -> None:
    assert svg.ticks(most) == (expected or [0, 0.2, 0.4, 0.6, 0.8, 1.0])


def test_plots_are_svg(tmp_path: Path) -> None:
    names = [
        svg.lines(tmp_path / "a.svg", "A < B", ("x", "y"), {"one": [(0, 1), (2, 3)]}),
        svg.steps(tmp_path / "b.svg", "B", ("x", "y"), {"one": [(0, 1), (2, 3)]}),
        svg.stacks(tmp_path / "c.svg", "C", "ms", {"float32": {"a": 1.0, "b": 2.0}}),
    ]

    assert names == ["a.svg", "b.svg", "c.svg"]
    for name in names:
        assert ElementTree.parse(tmp_path / name).getroot().tag.endswith("svg")
