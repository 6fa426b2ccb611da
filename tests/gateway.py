"""The real gateway before a real provider with small functions, and raw bytes sent to either."""

from __future__ import annotations

import http.client
import json
import os
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from imagectl.keys import first
from local.services import credentials
from local.services.certificates import door
from local.services.servers import nginx
from local.services.settings import Stack
from tests.contract import contract
from tests.ports import free_ports
from tests.provider import PATIENCE_SECONDS, Provider, stop
from tests.stack import OF_TESTS, ROOT, until

# Answers what it was given: what has reached a function can be looked at.
MIRROR = """
    import json

    def handle(event, context):
        seen = {"path": event.path, "method": event.method, "query": event.query.to_dict(),
                "headers": [[name, value] for name, value in event.headers.items()],
                "size": len(event.body)}
        return {"statusCode": 200, "body": seen}
"""


@dataclass(frozen=True)
class Answer:
    """One HTTP answer as it came over a socket."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def problem(self) -> dict[str, Any]:
        """The problem that it is, checked against the status."""
        assert self.headers["content-type"] == "application/problem+json", self
        found: dict[str, Any] = json.loads(self.body)
        start, _, code = found["type"].rpartition(":")
        assert (start, found["title"]) == ("urn:image-pipeline:problem", code.replace("-", " "))
        assert found["status"] == self.status
        return found

    @property
    def code(self) -> str:
        """The last part of the problem's type."""
        return str(self.problem["type"].rpartition(":")[2])

    @property
    def seen(self) -> dict[str, Any]:
        """What a mirror says it was given."""
        assert self.status == 200, self
        found: dict[str, Any] = json.loads(self.body)
        return found


class Connection:
    """One connection over which raw bytes are sent and answers are read, one after the other."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), PATIENCE_SECONDS)
        self._reader = self.socket.makefile("rb")

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def read(self, method: str = "GET") -> Answer:
        """Read the next answer, which must be whole and HTTP."""
        while (status := int(self._reader.readline().split()[1])) == 100:
            assert self._reader.readline() == b"\r\n"
        headers = {
            name.lower(): value for name, value in http.client.parse_headers(self._reader).items()
        }
        return Answer(status, headers, self._body(method, status, headers))

    def rest(self) -> bytes:
        """Read whatever comes until the other side closes."""
        return self._reader.read()

    def close(self) -> None:
        self._reader.close()
        self.socket.close()

    def _body(self, method: str, status: int, headers: dict[str, str]) -> bytes:
        if method == "HEAD" or status in (204, 304):
            return b""
        if headers.get("transfer-encoding") == "chunked":
            return b"".join(iter(self._chunk, b""))
        if "content-length" in headers:
            return self._reader.read(int(headers["content-length"]))
        return self._reader.read()

    def _chunk(self) -> bytes:
        data = self._reader.read(int(self._reader.readline(), 16))
        assert self._reader.readline() == b"\r\n"
        return data


def exchange(port: int, data: bytes, method: str = "GET") -> Answer:
    """Send raw bytes over a connection of their own, and read the one answer."""
    connection = Connection(port)
    try:
        connection.send(data)
        return connection.read(method)
    finally:
        connection.close()


class Gateway:
    """Nginx as the local stack runs it, before a provider of the test's own."""

    def __init__(self, provider: Provider, **settings: str) -> None:
        self.provider = provider
        self.port, self.http_port = free_ports(2)
        environment = {
            "WRONG_KEYS_AT_ONCE": OF_TESTS["WRONG_KEYS_AT_ONCE"],
            **settings,
            "STATE_DIR": str(provider.state_dir),
            "GATEWAY_PORT": str(self.port),
            "GATEWAY_HTTP_PORT": str(self.http_port),
            "PROVIDER_PORT": str(provider.port),
        }
        if "CACHE_DIR" in os.environ:
            environment["CACHE_DIR"] = os.environ["CACHE_DIR"]
        self.stack = Stack.from_env(environment)
        credentials.make(self.stack)
        self.log = self.stack.state_dir / "gateway.log"
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def key(self) -> str:
        return self.stack.api_key_file.read_text(encoding="utf-8")

    def prepare(self) -> None:
        """Write what Nginx reads."""
        self.take_up_keys()
        nginx.prepare(self.stack)

    def start(self) -> None:
        self.prepare()
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                nginx.command(self.stack), cwd=ROOT, stdout=log, stderr=log
            )
        until(self._is_up)

    def take_up_keys(self) -> None:
        """Make the key in the stack's file one that is known."""
        folders = {"KEYS_DIR": self.stack.keys_dir, "API_KEYS_DIR": self.stack.state_dir}
        first.main({name: str(folder) for name, folder in folders.items()})

    def stop(self) -> None:
        if self.process and self.process.poll() is None:
            stop(self.process)

    def ask(self, target: str, method: str = "GET", *lines: str, body: bytes = b"") -> Answer:
        """Send one request with the key, unless a line names another, and read its answer.

        Raises:
            Undocumented: it is a problem that docs/openapi.json does not have; what functions of a
                test answer in the place of ours is their own affair.
        """
        answer = exchange(self.port, self.request(target, method, *lines, body=body), method)
        if answer.status >= 400:
            contract().check(method, target, answer.status, answer.headers, answer.body)
        return answer

    def request(self, target: str, method: str = "GET", *lines: str, body: bytes = b"") -> bytes:
        """Write one request with the key, unless a line names another."""
        keyed = any(line.lower().startswith("x-api-key:") for line in lines)
        key = () if keyed else (f"X-Api-Key: {self.key}",)
        length = (f"Content-Length: {len(body)}",) if body else ()
        head = "\r\n".join([f"{method} {target} HTTP/1.1", "Host: gateway", *key, *lines, *length])
        return head.encode("latin-1") + b"\r\n\r\n" + body

    def _is_up(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, self.log.read_text()
        connection = door.connection(self.stack, PATIENCE_SECONDS)
        try:
            connection.request("GET", "/healthz")
            return connection.getresponse().status == 200
        except OSError:
            return False
        finally:
            connection.close()


@contextmanager
def running_gateway(folder: Path, *functions: str, **settings: str) -> Iterator[Gateway]:
    """Start a provider with mirrors of these names, and the gateway before it."""
    provider = Provider(folder)
    gateway = Gateway(provider, **settings)
    provider.start(**settings)
    try:
        for name in functions:
            provider.deploy(name, MIRROR)
        gateway.start()
        yield gateway
    finally:
        gateway.stop()
        if provider.process and provider.process.poll() is None:
            provider.stop()
