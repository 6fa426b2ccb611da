"""The stack that integration and end-to-end tests share, and the fixtures' files."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.stack import ROOT, Stack
from tests.stacks import shared_stack

FIXTURES = ROOT.parent / "shared" / "fixtures"


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
