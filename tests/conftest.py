"""The stack that tests share, the fixtures' files, and what a failed run tells."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from xdist.workermanage import NodeManager

from tests.kubernetes import skipped
from tests.kubernetes.stack import RELEASE_FOLDER
from tests.stack import ROOT, Stack
from tests.stacks import shared_stack

FIXTURES = ROOT.parent / "shared" / "fixtures"
_STOP_SECONDS = 120


def pytest_configure() -> None:
    """Give workers the time to stop their stacks when a run is broken off; else they are killed."""
    NodeManager.EXIT_TIMEOUT = _STOP_SECONDS


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let a run show what depends on the order of files."""
    parser.addoption("--reverse-files", action="store_true", help="take the last file first")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Keep the order of the tests in a file, as they share what it starts."""
    if os.environ.get(RELEASE_FOLDER):
        for item in items:
            if why := skipped.reason(item.nodeid):
                item.add_marker(pytest.mark.skip(reason=why))
    if config.getoption("--reverse-files"):
        files = {item.path: number for number, item in enumerate(items)}
        items.sort(key=lambda item: -files[item.path])


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, exitstatus: int, config: pytest.Config
) -> None:
    """Name the logs of all stacks when a test failed; pytest keeps those of three runs."""
    if exitstatus == pytest.ExitCode.TESTS_FAILED:
        base = config._tmp_path_factory.getbasetemp()  # type: ignore[attr-defined]
        if folders := sorted({path.parent for path in base.rglob("logs/*.log")}):
            terminalreporter.section("logs of the stacks")
            terminalreporter.write("\n".join([*map(str, folders), ""]))


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The system that tests share, with the demonstration model."""
    with shared_stack(tmp_path_factory.mktemp("stack")) as running:
        yield running


@pytest.fixture(scope="session")
def photos() -> Path:
    """The folder of real photos, which are not part of this repository."""
    if not FIXTURES.is_dir():
        pytest.skip("the photos and weights of shared/fixtures are not beside this checkout")
    return FIXTURES / "photos"


@pytest.fixture(scope="session")
def made_models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Small models of every kind, each a folder, with Keras' own scores beside it."""
    target = tmp_path_factory.mktemp("made-models")
    command = [sys.executable, "-m", "tests.make_models", str(target)]
    made = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert made.returncode == 0, made.stderr
    return target
