"""The bench on a stack of its own: one goal to its page, and a planted slowdown in its row."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from pathlib import Path

import pytest

from bench.measuring import by_step
from bench.measuring.warm import warm_stack
from tests.stack import ROOT

IMAGES = 300
# More than the least where the machine has so much else to do that the middle is not clear.
LEAST_ROUNDS, MOST_ROUNDS = 5, 21
SHOWN = 1.1
PLANTED = "infer"
# Steps with enough of an image's time to be compared.
OTHERS = ("decode", "fetch", "store")

pytestmark = pytest.mark.timeout(1800)


def test_one_goal_is_measured_and_written_down(tmp_path: Path) -> None:
    log = tmp_path / "said.log"

    status = run("bench", "--only", "P4", "--output", str(tmp_path), log=log)

    assert status == 0, log.read_text()
    kept = json.loads((tmp_path / "results.json").read_text(encoding="utf-8"))["P4, quick"]
    assert kept["figures"][0]["measured"] > 0
    assert "## P4, quick:" in (tmp_path / "RESULTS.md").read_text(encoding="utf-8")


def run(*words: str, log: Path) -> int:
    """Run a module to its end; told to end before, as this test may be, it stops its stack."""
    with (
        log.open("w") as said,
        subprocess.Popen(
            [sys.executable, "-m", *words], cwd=ROOT, stdout=said, stderr=said
        ) as running,
    ):
        try:
            return running.wait()
        finally:
            running.terminate()


def test_a_step_planted_a_fifth_slower_shows_in_its_row() -> None:
    rounds: list[dict[str, dict[str, float]]] = []

    with warm_stack(None) as warm:
        while len(rounds) < LEAST_ROUNDS or (excess(rounds) <= SHOWN and len(rounds) < MOST_ROUNDS):
            found = {}
            for plant in ("", PLANTED):
                found[plant] = by_step.measure(warm, IMAGES, plant)
            rounds.append(found)

    assert excess(rounds) > SHOWN, rounds


def excess(rounds: list[dict[str, dict[str, float]]]) -> float:
    """How many times slower the planted step was than the others, in the middle of all rounds.

    CPU of a step differs from drain to drain with what else the machine does, of all steps alike:
    each step is compared within its round, and the planted one with the others of its drain.
    """

    def slower(found: dict[str, dict[str, float]], step: str) -> float:
        return found[PLANTED][f"classifier: {step}"] / found[""][f"classifier: {step}"]

    return statistics.median(
        slower(found, PLANTED) / statistics.median(slower(found, other) for other in OTHERS)
        for found in rounds
    )
