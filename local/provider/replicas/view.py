"""Where OpenFaaS has a function's secrets: a folder in which each replica sees its own."""

from __future__ import annotations

import logging
import os
import shutil
import subprocess
from pathlib import Path

from local.provider.deployments.usual_folder import USUAL_FOLDER

logger = logging.getLogger(__name__)

SCRIPT = 'mount --bind "$0" "$1" && shift && exec "$@"'
PROBE_SECONDS = 5


class View:
    """A mount namespace of its own for each replica, with its secrets there."""

    is_there = True

    def prefix(self, secrets: Path) -> list[str]:
        """Return what goes before the command line of a replica; it leaves no process."""
        own = ("unshare", "--mount", "--propagation", "slave", "--")
        return [*own, "sh", "-c", SCRIPT, str(secrets), str(USUAL_FOLDER)]


class NoView:
    """What is left where the provider may not mount: $SECRETS_DIR alone."""

    is_there = False

    def prefix(self, secrets: Path) -> list[str]:
        return []


def find() -> View | NoView:
    """Find out by doing it, on the folder itself, which is made where there is none."""
    reason = "only root may mount"
    if os.geteuid() == 0 and all(map(shutil.which, ("unshare", "mount"))):
        try:
            USUAL_FOLDER.mkdir(mode=0o755, parents=True, exist_ok=True)
            command = [*View().prefix(USUAL_FOLDER), "true"]
            done = subprocess.run(command, capture_output=True, timeout=PROBE_SECONDS)
            if done.returncode == 0:
                return View()
            reason = done.stderr.decode(errors="replace").strip()
        except (OSError, subprocess.TimeoutExpired) as error:
            reason = str(error)
    logger.info(
        "no secrets at their usual path", extra={"path": str(USUAL_FOLDER), "reason": reason}
    )
    return NoView()
