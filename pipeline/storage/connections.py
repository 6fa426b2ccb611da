"""Kept-alive HTTP/1.1 connections to one server, on which several requests are sent at once.

A request and its answer cost a tenth of what a general client takes, and of several requests sent
together only the first one waits for the server.
"""

from __future__ import annotations

import select
import socket
import ssl
import threading
import weakref
from collections.abc import Sequence
from dataclasses import dataclass

_BUFFER_BYTES = 1 << 18
_MOST_IDLE = 32
_MOST_HEADERS = 100
_LONGEST_LINE_BYTES = 8192
# A server that refuses what it has not read ends the connection, and a larger body never gets to
# its answer: whether it is wanted is asked first. What fits into buffers is gone before a refusal.
_ASK_FIRST_BYTES = 1_000_000
_CONTINUE = 100
# A server that does not know the question never answers it, RFC 9110 10.1.1.
_CONTINUE_SECONDS = 0.5


@dataclass(frozen=True)
class Request:
    """One request.

    Attributes:
        head: what comes before the body as it is sent, the empty line included.
        name: what a message calls it.
    """

    method: str
    head: bytes
    body: bytes
    name: str


@dataclass(frozen=True)
class Answer:
    """One answer; the names of headers are in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes


class Connections:
    """A pool of connections; safe to share between threads.

    Args:
        endpoint: host:port.
        timeout_seconds: for connecting, and for each wait within an exchange.
        context: whose certificates are believed; None: in clear.
    """

    def __init__(
        self, endpoint: str, timeout_seconds: float, context: ssl.SSLContext | None = None
    ) -> None:
        host, _, port = endpoint.rpartition(":")
        self._address = host.strip("[]"), int(port)
        self._timeout_seconds = timeout_seconds
        self._context = context
        self._idle: list[_Connection] = []
        self._lock = threading.Lock()
        weakref.finalize(self, _close, self._idle)

    def exchange(self, requests: Sequence[Request]) -> list[Answer]:
        """Send requests, then read their answers, in the same order.

        If the connection breaks they are all sent once more on a new one, so that sending one twice
        must do no harm: the server may have closed a kept-alive connection, and the others with it.

        Raises:
            ssl.SSLCertVerificationError: it is not who it should be; nothing was sent.
            TimeoutError: the server said nothing for too long; nothing is sent again.
            OSError: the server cannot be reached, or what it says is no HTTP.
        """
        try:
            return self._try(requests)
        except OSError as error:
            # What ended one, as a restart or a change of address does, has ended the idle ones too.
            self._forget_idle()
            if isinstance(error, TimeoutError | ssl.SSLCertVerificationError):
                raise
            return self._try(requests)

    def _try(self, requests: Sequence[Request]) -> list[Answer]:
        connection = self._take()
        try:
            answers = connection.exchange(requests)
        except BaseException:
            connection.close()
            raise
        self._give_back(connection)
        return answers

    def _take(self) -> _Connection:
        with self._lock:
            if self._idle:
                return self._idle.pop()
        return _Connection(self._connected())

    def _connected(self) -> socket.socket:
        plain = socket.create_connection(self._address, self._timeout_seconds)
        if self._context is None:
            return plain
        try:
            return self._context.wrap_socket(plain, server_hostname=self._address[0])
        except BaseException:
            plain.close()
            raise

    def _forget_idle(self) -> None:
        with self._lock:
            idle = list(self._idle)
            self._idle.clear()
        _close(idle)

    def _give_back(self, connection: _Connection) -> None:
        with self._lock:
            if connection.is_open and len(self._idle) < _MOST_IDLE:
                self._idle.append(connection)
                return
        connection.close()


class _Connection:
    def __init__(self, connected: socket.socket) -> None:
        connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket = connected
        self._answers = connected.makefile("rb", _BUFFER_BYTES)
        self.is_open = True

    def exchange(self, requests: Sequence[Request]) -> list[Answer]:
        try:
            if len(requests) == 1 and len(requests[0].body) > _ASK_FIRST_BYTES:
                return [self._ask_first(requests[0])]
            parts = (part for each in requests for part in (each.head, each.body))
            self._socket.sendall(b"".join(parts))
            return [self._read(each.method) for each in requests]
        except ValueError as error:
            raise ConnectionError(f"the server's answer is no HTTP: {error}") from error

    def close(self) -> None:
        self._answers.close()
        self._socket.close()

    def _ask_first(self, request: Request) -> Answer:
        self._socket.sendall(request.head[:-2] + b"expect: 100-continue\r\n\r\n")
        answered = select.poll()
        answered.register(self._socket, select.POLLIN)
        # Over TLS, what the channel says of itself ends this wait as well; S3 answers the question.
        if answered.poll(_CONTINUE_SECONDS * 1000):
            answer = self._read(request.method)
            if answer.status != _CONTINUE:
                self.is_open = False  # whether it waits for the body still cannot be known
                return answer
        self._socket.sendall(request.body)
        answer = self._read(request.method)
        return self._read(request.method) if answer.status == _CONTINUE else answer  # a late one

    def _read(self, method: str) -> Answer:
        if not self.is_open:
            raise ConnectionResetError("the server ended the connection before the last answer")
        status = _status(self._line())
        headers = self._headers()
        if headers.get("connection", "").lower() == "close":
            self.is_open = False
        return Answer(status, headers, self._body(method, status, headers))

    def _headers(self) -> dict[str, str]:
        headers: dict[str, str] = {}
        for _ in range(_MOST_HEADERS):
            line = self._line()
            if not line:
                return headers
            name, _, value = line.partition(b":")
            headers[name.decode("latin-1").lower()] = value.strip().decode("latin-1")
        raise ConnectionError(f"the server sent more than {_MOST_HEADERS} headers")

    def _body(self, method: str, status: int, headers: dict[str, str]) -> bytes:
        if method == "HEAD" or status in (_CONTINUE, 204, 304):
            return b""
        if headers.get("transfer-encoding", "").lower() == "chunked":
            return b"".join(iter(self._chunk, b""))
        return self._bytes(int(headers.get("content-length", 0)))

    def _chunk(self) -> bytes:
        size = int(self._line().partition(b";")[0], 16)
        data = self._bytes(size)
        while self._line() and not size:  # trailers follow the last one
            continue
        return data

    def _bytes(self, count: int) -> bytes:
        data: bytes = self._answers.read(count)
        if len(data) != count:
            raise ConnectionResetError("the server ended the connection within an answer")
        return data

    def _line(self) -> bytes:
        line: bytes = self._answers.readline(_LONGEST_LINE_BYTES)
        if not line.endswith(b"\n"):
            raise ConnectionResetError("the server ended the connection within an answer")
        return line.rstrip(b"\r\n")


def _close(connections: list[_Connection]) -> None:
    for connection in connections:
        connection.close()


def _status(line: bytes) -> int:
    version, _, rest = line.partition(b" ")
    if not version.startswith(b"HTTP/1.") or not rest[:3].isdigit():
        raise ConnectionError(f"the server answered {line[:80]!r}, which is no HTTP")
    return int(rest[:3])
