"""The MinIO server's binary: on PATH, or built once from its pinned source into the cache."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

from local.machine import files
from local.services.fetch import go
from local.services.progress import run, say
from local.services.settings import Stack

_MODULE = "github.com/minio/minio"
# The one version of the archived project that a Go module proxy serves.
_VERSION = "v0.0.0-20260212201848-7aac2a2c5b7c"
_PACKAGES = 1300  # what compiles, the standard library included; tells how far a build is


def binary(stack: Stack) -> Path:
    """Where MinIO is, or will be once it is built."""
    on_path = shutil.which("minio")
    return Path(on_path) if on_path else _built(stack)


def build(stack: Stack) -> None:
    """Build MinIO, unless there is one.

    Raises:
        StepFailed: the Go toolchain could not be installed, or the build failed.
    """
    if binary(stack).exists():
        return
    with files.lock(stack.cache_dir / "minio.lock"):
        target = binary(stack)
        if target.exists():
            return
        say("  MinIO is built from source, once: 3 to 6 minutes on two cores.")
        toolchain = go.install(stack)
        workshop = stack.cache_dir / "minio" / "build"
        run(
            "MinIO: building",
            [
                toolchain,
                "install",
                "-v",
                "-trimpath",
                "-ldflags=-s -w",
                f"{_MODULE}@{_VERSION}",
            ],
            environment={**go.environment(workshop), "GOBIN": str(workshop / "bin")},
            describe=_package_counter(),
        )
        target.parent.mkdir(parents=True, exist_ok=True)
        (workshop / "bin" / "minio").rename(target)
        # A build that was killed goes on from these 2 GB; a finished one has no use for them.
        shutil.rmtree(workshop)


def _built(stack: Stack) -> Path:
    return stack.cache_dir / "minio" / f"{_VERSION}-go{go.version()}" / "minio"


def _package_counter() -> Callable[[str], str]:
    compiled = 0

    def describe(line: str) -> str:
        nonlocal compiled
        if line.startswith("go: "):
            return line.removeprefix("go: ")
        compiled += 1
        return f"{compiled} of about {_PACKAGES} packages compiled"

    return describe
