"""Where a test may kill a process: points on an image's way, armed by a file each; off unless told.

With CRASH_DIR set, the first process that comes past a point whose file is in that folder takes the
file away and ends by SIGKILL; of a file that holds a number, so many do. Without it a point costs
one comparison. It takes what is at hand where it stands, so that no code is shaped by it.
"""

from __future__ import annotations

import os
import signal
from pathlib import Path

# Every point, in the order in which an image comes past.
POINTS = (
    "upload.read",
    "upload.stored",
    "image-uploads.produced",
    "upload.acknowledged",
    "consumer.polled",
    "consumer.invoked",
    "classifier.fetched",
    "classifier.decoded",
    "classifier.inferred",
    "classifier.stored",
    "classifier.cached",
    "classifier.answering",
    "consumer.answered",
    "image-failures.acknowledged",
    "consumer.committed",
    "consumer.rebalancing",
)

_folder: Path | None = None


def configure(folder: str) -> None:
    """Look for armed points in this folder; an empty name switches all points off."""
    global _folder
    _folder = Path(folder) if folder else None


def point(name: str, topic: str = "") -> None:
    """End this process as kill -9 does, if the point is armed; it is disarmed first.

    Args:
        topic: of the event that comes past, where those of several topics do.
    """
    if _folder is None:
        return
    armed = _folder / full_name(name, topic)
    try:
        left = int(armed.read_text() or 1) - 1
        if left:
            armed.write_text(str(left))
        else:
            armed.unlink()
    except FileNotFoundError:
        return
    os.kill(os.getpid(), signal.SIGKILL)
    # The first process of a container cannot kill itself so.
    os._exit(128 + signal.SIGKILL)


def full_name(name: str, topic: str) -> str:
    """Name a point as it is armed: for the events of one topic, where it has any."""
    return f"{topic}.{name}" if topic else name
