"""Which inferences were begun: a line each in a file that survives any kill; off unless told.

For tests: logs go through pipes and end with their reader, counters end with their process. A line
is one write to a file opened for appending, so that neither a kill nor another replica tears it.
It is written before the model sees the image: what a kill interrupts is counted too.
"""

from __future__ import annotations

import os
import time

_file: int | None = None


def configure(path: str) -> None:
    """Note inferences in this file; an empty name switches it off."""
    global _file
    _file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644) if path else None


def note(tenant: str, image: str, model: str) -> None:
    """Write that this image will now be looked at under this model."""
    if _file is not None:
        os.write(_file, f"{time.time():.6f} {os.getpid()} {tenant} {image} {model}\n".encode())
