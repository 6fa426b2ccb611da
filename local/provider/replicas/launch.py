"""Which command starts a replica: the function's own, or ours that serves or moves it."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

from local.provider.deployments.image import Image, Kind, at_home
from local.provider.deployments.version import Version

# Run as files by an interpreter that heeds nothing of the function's environment.
ROOM = Path(__file__).resolve().parents[2] / "watchdog"
PYTHON = (sys.executable, "-I", "-u")


def command(version: Version, image: Image, limit: list[str], max_body_bytes: int) -> list[str]:
    """Return it with what limits the function's own process before that process."""
    process = shlex.split(at_home(image.process, version.folder))
    if image.kind is Kind.OWN:
        return [*limit, *process]
    if image.kind is Kind.SERVER:
        on_port = [*PYTHON, "-S", str(ROOM / "on_port.py"), str(image.port), "--"]
        return [*on_port, *limit, *process]
    return [
        *(*PYTHON, str(ROOM / "__main__.py"), "--mode", image.mode),
        *("--upstream-port", str(image.port), "--max-body-bytes", str(max_body_bytes)),
        *("--limit-words", str(len(limit)), "--", *limit, *process),
    ]


def environment(version: Version, image: Image) -> dict[str, str]:
    """Return what image and request give the function, its folder in place of /home/app."""
    process = {"fprocess": version.spec.process} if version.spec.process else {}
    given = {**image.env, **process, **version.spec.env}
    return {name: at_home(value, version.folder) for name, value in given.items()}
