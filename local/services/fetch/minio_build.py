"""The MinIO server's binary: on PATH, or built once from its pinned source into the cache.

Whichever compiler built it: what is cached is found also where there is none.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from local.machine import files
from local.services.fetch import go
from local.services.progress import run, say
from local.services.settings import Stack

_MODULE = "github.com/minio/minio"
# The one version of the archived project that a Go module proxy serves.
VERSION = "v0.0.0-20260212201848-7aac2a2c5b7c"
_PACKAGES = 1300  # what compiles, the standard library included; tells how far a build is


def binary(stack: Stack) -> Path:
    """Where MinIO is; until it is built, a path at which nothing is."""
    return find(stack) or _folder(stack) / VERSION / "minio"


def find(stack: Stack) -> Path | None:
    """MinIO on PATH, else the build of its pinned source that was made last, for this machine."""
    if on_path := shutil.which("minio"):
        return Path(on_path)
    built = [each for each in _folder(stack).glob(f"{VERSION}-go*/minio") if _runs_here(each)]
    return max(built, key=lambda each: (each.stat().st_mtime, each), default=None)


def build(stack: Stack) -> None:
    """Build MinIO, unless there is one.

    Raises:
        StepFailed: the Go toolchain could not be installed, or the build failed.
    """
    if find(stack):
        return
    with files.lock(stack.cache_dir / "minio.lock"):
        if find(stack):
            return
        say("  MinIO is built from source, once: 3 to 6 minutes on two cores.")
        toolchain = go.install(stack)
        target = _folder(stack) / f"{VERSION}-go{go.version_of(toolchain)}" / "minio"
        workshop = _folder(stack) / "build"
        run(
            "MinIO: building",
            [
                toolchain,
                "install",
                "-v",
                "-trimpath",
                "-ldflags=-s -w",
                f"{_MODULE}@{VERSION}",
            ],
            environment={**go.environment(workshop), "GOBIN": str(workshop / "bin")},
            describe=go.package_counter(_PACKAGES),
        )
        target.parent.mkdir(parents=True, exist_ok=True)
        (workshop / "bin" / "minio").rename(target)
        # A build that was killed goes on from these 2 GB; a finished one has no use for them.
        shutil.rmtree(workshop)


def _folder(stack: Stack) -> Path:
    return stack.cache_dir / "minio"


def _runs_here(program: Path) -> bool:
    """Whether it is for the same kind of machine as this Python, told by their ELF headers."""
    return _kind(program) == _kind(Path(sys.executable))


def _kind(program: Path) -> tuple[bytes, bytes]:
    """The class with the byte order, and the machine's number."""
    with program.open("rb") as file:
        header = file.read(20)
    return header[:6], header[18:]
