"""Environments of what we are compared with: made in the cache, apart from the checkout's .venv."""

from __future__ import annotations

import hashlib
import os
import sys
from pathlib import Path

from local.machine import files
from local.services.progress import run
from local.services.settings import Stack

_FOLDER = Path(__file__).parent
_STAMP = "installed"


def python(name: str) -> Path:
    """Return the Python of the environment that NAME-requirements.lock pins; make it if need be.

    Raises:
        StepFailed: pip failed, or a package's hash is another than the locked one.
    """
    lock = _FOLDER / f"{name}-requirements.lock"
    digest = hashlib.sha256(lock.read_bytes()).hexdigest()[:12]
    folder = Stack.from_env(os.environ).cache_dir / f"bench-{name}-{digest}"
    with files.lock(folder.with_suffix(".lock")):
        if not (folder / _STAMP).exists():
            _make(name, folder, lock)
    return folder / "bin" / "python"


def _make(name: str, folder: Path, lock: Path) -> None:
    run(f"bench: making the environment {name}", [sys.executable, "-m", "venv", "--clear", folder])
    pip = (folder / "bin" / "python", "-m", "pip", "install", "--progress-bar", "off")
    run(
        f"bench: installing the locked packages of {name}",
        [*pip, "--require-hashes", "-r", lock],
    )
    # Last: a folder without it is one whose making was interrupted.
    files.write(folder / _STAMP, name)
