"""What replicas may leave: processes that they began, and files where the provider was killed."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
from pathlib import Path

from local.machine import processes
from local.machine.users import User
from local.provider.replicas import spawn
from local.provider.settings import Settings

logger = logging.getLogger(__name__)

_ROUNDS = 10


def clear(settings: Settings) -> None:
    """End and remove it all; the replicas themselves died with their provider."""
    end_processes(settings.replicas_dir)
    for run_file in settings.run_dir.glob("*.json"):
        if '"function"' in run_file.read_text():  # the other services write none
            spawn.remove_files(run_file.stem, settings)
    for folder in settings.replicas_dir.iterdir():
        spawn.remove_files(folder.name, settings)


def end_user(user: User | None) -> None:
    """Kill whatever still runs as the user of a function that is gone, whatever it calls itself."""
    if user is None:
        return
    for _ in range(_ROUNDS):  # what is killed may have begun another one
        pids = [pid for pid in processes.pids() if _is(pid, user)]
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
                logger.warning("process left by a function killed", extra={"pid": pid})
        if not pids:
            return


def _is(pid: int, user: User) -> bool:
    """Whether a process is this user's, and has not ended."""
    return processes.owner(pid) == user.number and processes.start_time(pid) is not None


def end_processes(folder: Path) -> None:
    """Kill what replicas have started, whose HOME is this folder or below: no other has that."""
    for pid in processes.pids():
        with contextlib.suppress(OSError):  # it has ended, or is another user's
            if processes.has_home(pid, folder):
                os.kill(pid, signal.SIGKILL)
                logger.warning("process left by a replica killed", extra={"pid": pid})
