"""The bench on a stack of its own: one goal to its page, and a planted slowdown in its row."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from pathlib import Path

import pytest

from bench import by_step
from bench.warm import warm_stack
from tests.stack import ROOT

IMAGES = 300
ROUNDS = 5
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


def test_a_step_planted_a_fifth_slower_shows_in_its_row(tmp_path: Path) -> None:
    found: dict[str, list[dict[str, float]]] = {"": [], PLANTED: []}

    with warm_stack(None) as warm:
        for number in range(ROUNDS):
            for plant, profiles in found.items():
                folder = tmp_path / f"{number}{plant}"
                folder.mkdir()
                profiles.append(by_step.measure(warm, IMAGES, folder, plant))

    # What else runs on the machine only ever adds to the CPU of a step: the least has least of it.
    times = {
        step: min(each[f"classifier: {step}"] for each in found[PLANTED])
        / min(each[f"classifier: {step}"] for each in found[""])
        for step in (PLANTED, *OTHERS)
    }
    # CPU of a step differs by some percent from drain to drain, of all steps alike.
    assert times.pop(PLANTED) > statistics.median(times.values()) + 0.1
