"""What a provider that was killed has left: files of its replicas, and their own children."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
from pathlib import Path

from local.provider import process
from local.provider.settings import Settings

logger = logging.getLogger(__name__)


def clear(settings: Settings) -> None:
    """End and remove it all; the replicas themselves died with their provider."""
    end_processes(settings)
    for run_file in settings.run_dir.glob("*.json"):
        if '"function"' in run_file.read_text():  # the other services write none
            process.remove_files(run_file.stem, settings)
    for folder in settings.replicas_dir.iterdir():
        process.remove_files(folder.name, settings)


def end_processes(settings: Settings) -> None:
    """Kill what replicas have started: it inherited a HOME that only replicas are given."""
    home = b"HOME=" + os.fsencode(settings.replicas_dir) + b"/"
    for folder in Path("/proc").iterdir():
        with contextlib.suppress(OSError):  # it has ended, or is another user's
            variables = (folder / "environ").read_bytes() if folder.name.isdecimal() else b""
            if any(variable.startswith(home) for variable in variables.split(b"\0")):
                os.kill(int(folder.name), signal.SIGKILL)
                logger.warning("left process killed", extra={"pid": int(folder.name)})
