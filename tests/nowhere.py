"""An address where nobody answers, and where nobody else comes to listen meanwhile."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def unanswered() -> Iterator[str]:
    """Keep a port without listening on it; give it as host:port."""
    with socket.socket() as kept:
        kept.bind(("127.0.0.1", 0))
        yield f"127.0.0.1:{kept.getsockname()[1]}"
