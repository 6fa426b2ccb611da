"""Ports for what a test starts: nobody else takes one between its choice and its use."""

from __future__ import annotations

import fcntl
import socket
import tempfile
from contextlib import suppress
from pathlib import Path

# Below those that the kernel gives to connections, and to whoever asks for any port: 32768 and up.
_FIRST, _LAST = 12000, 31999
# Where all runs on this machine go on, so that those side by side get different ones.
_CURSOR = Path(tempfile.gettempdir()) / "image-pipeline-test-port"


def free_ports(count: int) -> list[int]:
    """Find ports that nobody listens on, all different; none is found again for a long time."""
    with _CURSOR.open("a+", encoding="ascii") as cursor:
        fcntl.flock(cursor, fcntl.LOCK_EX)
        cursor.seek(0)
        after = int(cursor.read() or _LAST)
        found: list[int] = []
        while len(found) < count:
            after = _FIRST if after >= _LAST else after + 1
            if _is_free(after):
                found.append(after)
        cursor.truncate(0)
        cursor.write(str(after))
        return found


def _is_free(port: int) -> bool:
    with suppress(OSError), socket.socket() as tried:
        tried.bind(("127.0.0.1", port))
        return True
    return False
