"""imagectl, as it is typed, on a stack of a test."""

from __future__ import annotations

import subprocess
from pathlib import Path

from pipeline.models import bundles
from pipeline.settings import Settings
from tests.compose.stack import ComposeStack
from tests.kubernetes.stack import KubernetesStack
from tests.stack import Stack, run_module, until

# The machine that a proof is tried on here may have other work.
_BUSY = {"PROVE_WITHIN_SECONDS": "60"}
_UPDATED_SECONDS = 300.0


def imagectl(stack: Stack, *words: str, seconds: float = 600.0) -> subprocess.CompletedProcess[str]:
    """Run a command as whoever operates this stack."""
    environment = {**stack.operator, **_BUSY}
    return run_module("imagectl", *words, cwd=stack.root, environment=environment, seconds=seconds)


def keys(stack: Stack, *words: str) -> str:
    """Run a command of `imagectl keys` where this stack has its keys; what it prints."""
    command = ("python", "-m", "imagectl", "keys", *words)
    if isinstance(stack, ComposeStack):
        done = stack.run("keys", *command)
    elif isinstance(stack, KubernetesStack):
        done = stack.run(*command)
    else:
        done = imagectl(stack, "keys", *words)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def added(stack: Stack, folder: Path) -> str:
    """Put a model into MinIO; its id."""
    done = imagectl(stack, "models", "add", str(folder))
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def use(stack: Stack, model_id: str) -> None:
    """Serve a model that MinIO holds; a function that is being updated is waited for."""

    def used() -> subprocess.CompletedProcess[str] | None:
        done = imagectl(stack, "models", "use", model_id)
        return None if "is being updated; try again" in done.stderr else done

    done = until(used, _UPDATED_SECONDS)
    assert done.returncode == 0, done.stderr


def current(stack: Stack) -> str:
    """The id of the current model."""
    return bundles.current_model_id(Settings(), stack.store)
