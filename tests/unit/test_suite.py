"""What `make test` runs and tells: both parts, and where a failed run's logs are."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import suite
from tests.stack import ROOT

GOOD, BAD = ("this",), ("tests.no_such_module",)
FAILING = """
def test_something(tmp_path):
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "kafka.log").touch()
    assert False
"""


@pytest.fixture(autouse=True)
def handlers() -> Iterator[None]:
    """Put back what is told to stop."""
    before = {each: signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize(
    ("tests", "storm", "status"), [(GOOD, GOOD, 0), (BAD, GOOD, 1), (GOOD, BAD, 1), (BAD, BAD, 1)]
)
def test_both_parts_are_run_and_told(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tests: tuple[str],
    storm: tuple[str],
    status: int,
) -> None:
    monkeypatch.setattr(suite, "_TESTS", tests)
    monkeypatch.setattr(suite, "_STORM", storm)

    assert suite.main([]) == status

    told = capsys.readouterr().out.splitlines()[-2:]
    assert ["passed" in line for line in told] == [tests == GOOD, storm == GOOD]
    assert ["FAILED" in line for line in told] == [tests == BAD, storm == BAD]


def test_a_failed_run_names_the_logs_of_its_stacks(tmp_path: Path) -> None:
    (tmp_path / "test_failing.py").write_text(FAILING)
    base = tmp_path / "base"

    run = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-p", "tests.conftest", "-p", "no:cacheprovider"),
            *(f"--basetemp={base}", f"--rootdir={tmp_path}", str(tmp_path)),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )

    assert run.returncode == pytest.ExitCode.TESTS_FAILED, run.stdout + run.stderr
    assert str(base / "test_something0" / "logs") in run.stdout.splitlines()
