"""The links of the chaos tests: each kind of trouble shows, and is over when it is healed."""

from __future__ import annotations

import socket
import socketserver
import threading
import time
from collections.abc import Iterator

import pytest

from tests.chaos.toxiproxy import TROUBLES, Link, Trouble, linked
from tests.ports import free_ports
from tests.stack import until

MESSAGE = bytes(range(256)) * 16
PATIENCE_SECONDS = 0.25  # less than the latency, and than 4 KB take at 10 KB/s


class Echo(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        while data := self.request.recv(4096):
            self.request.sendall(data)


class Server(socketserver.ThreadingTCPServer):
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """A connection that was reset is what is tested."""


@pytest.fixture(scope="module")
def echo() -> Iterator[int]:
    with Server(("127.0.0.1", 0), Echo) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_address[1]
        server.shutdown()


@pytest.fixture(scope="module")
def way(tmp_path_factory: pytest.TempPathFactory, echo: int) -> Iterator[tuple[int, Link]]:
    (told,) = free_ports(1)
    with linked(tmp_path_factory.mktemp("toxiproxy"), {"echo": (told, echo)}) as links:
        yield told, links["echo"]


def _answer(port: int, seconds: float) -> tuple[bytes, int]:
    """What comes back within the time, and in how many pieces; OSError where the link breaks."""
    received, pieces = b"", 0
    deadline = time.monotonic() + seconds
    with socket.create_connection(("127.0.0.1", port), 60) as connection:
        connection.sendall(MESSAGE)
        while len(received) < len(MESSAGE) and (left := deadline - time.monotonic()) > 0:
            connection.settimeout(left)
            try:
                piece = connection.recv(4096)
            except TimeoutError:
                break
            if not piece:
                raise ConnectionError("the other side closed")
            received, pieces = received + piece, pieces + 1
    return received, pieces


@pytest.mark.parametrize("trouble", TROUBLES, ids=lambda it: it.name)
def test_a_link_suffers_until_it_is_healed(way: tuple[int, Link], trouble: Trouble) -> None:
    port, link = way

    def shows() -> bool:
        try:
            received, pieces = _answer(port, PATIENCE_SECONDS)
        except OSError:
            return True
        return received != MESSAGE or pieces > 10

    with link.suffers(trouble):
        # Slices that have waited for a busy reader come as one piece.
        until(shows)
    healed, _ = _answer(port, 60)

    assert healed == MESSAGE
