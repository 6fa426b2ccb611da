"""The locked Python packages as wheels in the cache: fetched once, installed without a network.

Imports the standard library only: `.venv` is made of what lies here.
"""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import sys
import tempfile
from pathlib import Path

from local.machine import files
from local.services.progress import StepFailed, run
from local.services.settings import ROOT, Stack

LOCK = ROOT / "requirements.lock"


def folder(stack: Stack) -> Path:
    """Where the wheels of every lock lie, each once."""
    return stack.cache_dir / "wheels"


def fetched(stack: Stack) -> list[Path]:
    """The wheels of this lock for this Python and machine; none unless all of them are there."""
    try:
        names = (folder(stack) / list_name()).read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return []
    wheels = [folder(stack) / name for name in names]
    return wheels if all(wheel.is_file() for wheel in wheels) else []


def list_name() -> str:
    """The file that names the wheels of this lock; it is there once they all are."""
    lines = LOCK.read_text(encoding="utf-8").splitlines()
    pinned = "\n".join(line for line in lines if not line.lstrip().startswith("#"))
    pins = hashlib.sha256(pinned.encode()).hexdigest()[:12]
    tag = f"{sys.implementation.cache_tag}-{platform.machine()}"
    return f"{pins}-{tag}.txt"


def fetch(stack: Stack, python: Path) -> None:
    """Download what the cache lacks of the lock.

    Args:
        python: whose pip is asked, and for which the wheels are.

    Raises:
        StepFailed: pip could not have them all, or one is another than the locked one.
    """
    with files.lock(stack.cache_dir / "wheels.lock"):
        if fetched(stack):
            return
        folder(stack).mkdir(parents=True, exist_ok=True)
        unfinished = Path(tempfile.mkdtemp(prefix="unfinished-", dir=folder(stack)))
        try:
            _download(python, folder(stack), unfinished)
            names = sorted(wheel.name for wheel in unfinished.iterdir())
            for name in names:
                (unfinished / name).replace(folder(stack) / name)
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)
        files.write(folder(stack) / list_name(), "".join(f"{name}\n" for name in names))


def install(stack: Stack, python: Path) -> None:
    """Install the locked packages from the cache, each checked against its locked hash.

    Raises:
        StepFailed: a wheel is missing or another than the locked one.
    """
    where: list[str | Path] = ["--no-index", "--find-links", folder(stack)]
    run(
        "Python: installing the locked packages (about a minute)",
        [*_pip(python, "install"), *where, "--require-hashes", "-r", LOCK],
        environment=_without_other_places(),
    )


def _download(python: Path, there: Path, target: Path) -> None:
    what: list[str | Path] = ["--require-hashes", "--only-binary", ":all:", "-r", LOCK]
    try:
        run(
            "Python: downloading the locked packages (400 MB)",
            [*_pip(python, "download"), "--dest", target, *what],
        )
    except StepFailed as error:
        raise StepFailed(
            f"{error}\nWithout a network, bring the cache of a machine that has one:"
            f" docs/air-gapped.md says how. {there} lacks packages of {LOCK.name}"
            f" for {describe_platform()}."
        ) from error


def describe_platform() -> str:
    """What the wheels are for, in words."""
    return f"Python {sys.version_info[0]}.{sys.version_info[1]} on {platform.machine()}"


def _pip(python: Path, command: str) -> tuple[str | Path, ...]:
    return (python, "-m", "pip", command, "--progress-bar", "off")


def _without_other_places() -> dict[str, str]:
    """The environment without what would lead pip elsewhere than to the cache."""
    return {name: text for name, text in os.environ.items() if name != "PIP_FIND_LINKS"}
