"""Whether the replica has been told to stop, how long ago, and whether it may."""

from __future__ import annotations

import select
import time
from typing import Any

FIRST_BYTE_SECONDS = 0.5  # a connection this young is about to send its request


class Drain:
    def __init__(self) -> None:
        self.begun_at: float | None = None

    @property
    def has_begun(self) -> bool:
        return self.begun_at is not None

    def begin(self) -> None:
        self.begun_at = self.begun_at or time.monotonic()

    def has_lasted(self, seconds: float) -> bool:
        return self.begun_at is not None and time.monotonic() - self.begun_at >= seconds


def is_quiet(server: Any) -> bool:
    """Say whether nothing is being received, handled or sent, nor waiting in a socket."""
    unread = select.poll()
    for fd in (server.socket.fileno(), *server.active_channels):
        unread.register(fd, select.POLLIN)
    return not unread.poll(0) and not any(map(is_busy, server.active_channels.values()))


def is_busy(channel: Any) -> bool:
    is_new = channel.last_activity == channel.creation_time
    # Waitress notes wall time, which may jump: a connection from the future is not a young one.
    will_send = is_new and 0 <= time.time() - channel.creation_time < FIRST_BYTE_SECONDS
    return bool(channel.request or channel.requests or channel.writable() or will_send)
