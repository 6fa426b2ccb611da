"""imagectl, as it is typed, on a stack of a test."""

from __future__ import annotations

import subprocess
from pathlib import Path

from pipeline import bundles
from pipeline.settings import Settings
from tests.stack import Stack, run_module


def imagectl(stack: Stack, *words: str, seconds: float = 300.0) -> subprocess.CompletedProcess[str]:
    """Run a command as whoever operates this stack."""
    return run_module(
        "imagectl", *words, cwd=stack.root, environment=stack.operator, seconds=seconds
    )


def added(stack: Stack, folder: Path) -> str:
    """Put a model into MinIO; its id."""
    done = imagectl(stack, "models", "add", str(folder))
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def use(stack: Stack, model_id: str) -> None:
    """Serve a model that MinIO holds."""
    done = imagectl(stack, "models", "use", model_id)
    assert done.returncode == 0, done.stderr


def current(stack: Stack) -> str:
    """The id of the current model."""
    return bundles.current_model_id(Settings(), stack.store)
