"""Bytes as they are sent to a port, and the answers as they come back: for what no client sends."""

from __future__ import annotations

import http.client
import json
import socket
from dataclasses import dataclass
from io import BytesIO
from typing import Any

PATIENCE_SECONDS = 30


@dataclass(frozen=True)
class Answer:
    """One answer; names of headers are in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def problem(self) -> dict[str, Any]:
        """The problem that the body is, checked against the status."""
        assert self.headers["content-type"] == "application/problem+json", self
        problem: dict[str, Any] = json.loads(self.body)
        assert problem["type"].startswith("urn:image-pipeline:problem:"), self
        assert problem["status"] == self.status
        assert {"title", "detail"} <= problem.keys()
        return problem

    @property
    def code(self) -> str:
        return str(self.problem["type"].rpartition(":")[2])


class _Received:
    """What http.client reads an answer from."""

    def __init__(self, stream: BytesIO) -> None:
        self._stream = stream

    def makefile(self, mode: str) -> BytesIO:
        return self._stream


class _Unclosable(BytesIO):
    """Bytes that several answers are read from, one after the other."""

    def close(self) -> None:
        """Stay open: the next answer follows."""


def exchange(port: int, *pieces: bytes, is_last: bool = True) -> bytes:
    """Send the pieces and return all that comes until the server closes the connection.

    Args:
        is_last: no more will be sent, and the server is told.
    """
    with socket.create_connection(("127.0.0.1", port), PATIENCE_SECONDS) as connection:
        received = b""
        try:
            for piece in pieces:
                connection.sendall(piece)
            if is_last:
                connection.shutdown(socket.SHUT_WR)
            while data := connection.recv(1 << 16):
                received += data
        except ConnectionError:
            pass  # refused before all was sent: the answer came first, or the test misses it
        return received


def answers(received: bytes, methods: list[str]) -> list[Answer]:
    """Read answers off a connection; the methods asked tell which have bodies."""
    stream, found = _Unclosable(received), []
    for method in methods:
        if stream.tell() == len(received):
            break
        answer = http.client.HTTPResponse(_Received(stream), method=method)  # type: ignore[arg-type]
        answer.begin()
        headers = {name.lower(): value for name, value in answer.getheaders()}
        found.append(Answer(answer.status, headers, answer.read()))
    assert stream.read() == b"", f"more came than was asked for: {received!r}"
    return found


def ask(port: int, *pieces: bytes, method: str = "GET") -> Answer:
    """Send one request and return its one answer."""
    (answer,) = answers(exchange(port, *pieces, is_last=False), [method])
    return answer
