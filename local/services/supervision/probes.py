"""Is a service healthy? Asked in the service's own protocol; the answer is what is wrong."""

from __future__ import annotations

import http.client
import json
import socket
import struct
from collections.abc import Callable
from pathlib import Path

from local.machine import processes

TIMEOUT_SECONDS = 2.0

# What is wrong with a service; empty when it is healthy.
Probe = Callable[[], str]


class Http:
    """Healthy when every path answers 200."""

    def __init__(
        self,
        port: int,
        *paths: str,
        connect: Callable[[], http.client.HTTPConnection] | None = None,
    ) -> None:
        self.port = port
        self.paths = paths
        self._connect = connect or self._connect_in_clear

    def __call__(self) -> str:
        try:
            connection = self._connect()
        except OSError as error:
            return f"cannot be asked on port {self.port}: {error}"
        try:
            for path in self.paths:
                connection.request("GET", path)
                response = connection.getresponse()
                response.read()
                if response.status != http.HTTPStatus.OK:
                    return f"{path} answers {response.status}"
        except (OSError, http.client.HTTPException) as error:
            return f"does not answer on port {self.port}: {error}"
        finally:
            connection.close()
        return ""

    def _connect_in_clear(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=TIMEOUT_SECONDS)


def message(port: int) -> str:
    """Read what a service says at its /healthz of how it goes; empty when nothing."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT_SECONDS)
    try:
        connection.request("GET", "/healthz")
        said: dict[str, str] = json.loads(connection.getresponse().read())
        return said.get("message", "")
    except (OSError, http.client.HTTPException, ValueError):
        return ""
    finally:
        connection.close()


class Kafka:
    """Healthy when the broker tells the versions of its protocol, which takes no login."""

    # ApiVersions, version 0, without a name of the client; an answer begins with its length.
    _QUESTION = struct.pack("!ihhih", 10, 18, 0, 1, -1)
    _LENGTH_BYTES = 4

    def __init__(self, port: int) -> None:
        self.port = port

    def __call__(self) -> str:
        try:
            with socket.create_connection(("127.0.0.1", self.port), TIMEOUT_SECONDS) as connection:
                connection.sendall(self._QUESTION)
                answer = connection.recv(self._LENGTH_BYTES, socket.MSG_WAITALL)
        except OSError as error:
            return f"does not answer on port {self.port}: {error}"
        return "" if len(answer) == self._LENGTH_BYTES else f"ends connections to {self.port}"


class RedisPing:
    """Healthy when PING is answered, if only that it takes a login."""

    def __init__(self, port: int) -> None:
        self.port = port

    def __call__(self) -> str:
        try:
            with socket.create_connection(("127.0.0.1", self.port), TIMEOUT_SECONDS) as connection:
                connection.sendall(b"PING\r\n")
                answer = connection.recv(64)
        except OSError as error:
            return f"does not answer on port {self.port}: {error}"
        is_well = answer.startswith((b"+PONG", b"-NOAUTH"))
        return "" if is_well else f"answers PING with {answer!r}"


class Running:
    """Healthy while the process runs: for one that listens nowhere."""

    def __init__(self, run_dir: Path, name: str) -> None:
        self.run_dir = run_dir
        self.name = name

    def __call__(self) -> str:
        return "" if self.name in processes.recorded(self.run_dir) else "does not run"
