"""Addresses where nobody answers, and where nobody else comes to listen meanwhile."""

from __future__ import annotations

import select
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def unanswered() -> Iterator[str]:
    """Keep a port without listening on it; give it as host:port."""
    with socket.socket() as kept:
        kept.bind(("127.0.0.1", 0))
        yield f"127.0.0.1:{kept.getsockname()[1]}"


@contextmanager
def uncalled() -> Iterator[tuple[int, Callable[[], bool]]]:
    """Listen, and answer nobody; yield the port, and what tells whether anybody has called."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        yield port, lambda: bool(select.select([listener], [], [], 0)[0])
