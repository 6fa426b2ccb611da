"""The function that the contract deploys: it says what it was told, and answers as it is asked to.

It runs by itself, in a container or as a process: no import of ours, nothing but Python.

    X-Mirror-Status: 418          the status of the answer
    X-Mirror-Answer: {"A": "b"}   its headers, in JSON; a list gives one more than once
    X-Mirror-Bytes: 1000          so many bytes instead of what it was told
    X-Mirror-Print: words         a line for its log

A call to /note/ANYTHING has it write what it was told to its log, in a line of JSON.
"""

from __future__ import annotations

import hashlib
import json
import os
import signal
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

# Of what is under way when it is to end, nothing is lost.
DRAIN_SECONDS = 2.0
SECRETS = Path(os.environ.get("SECRETS_DIR", "/var/openfaas/secrets"))
# What OpenFaaS' provider looks for where it does not ask over HTTP.
LOCK = Path(os.environ.get("TMPDIR", "/tmp"), ".lock")


class Mirror(BaseHTTPRequestHandler):
    """Answers every method alike."""

    protocol_version = "HTTP/1.1"

    def answer(self) -> None:
        body = self.body()
        if line := self.headers.get("X-Mirror-Print"):
            print(line, flush=True)
        told = json.dumps(
            {
                "method": self.command,
                "target": self.path,
                "headers": self.headers.items(),
                "bytes": len(body),
                "sha256": hashlib.sha256(body).hexdigest(),
                "environment": dict(os.environ),
                "secrets": {file.name: file.read_text() for file in secrets()},
            }
        ).encode()
        if self.path.startswith("/note/"):
            print(told.decode(), flush=True)
        if count := self.headers.get("X-Mirror-Bytes"):
            told = b"x" * int(count)
        self.tell(int(self.headers.get("X-Mirror-Status", "200")), told)

    def body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", "0")))
        pieces = []
        while length := int(self.rfile.readline().split(b";")[0], 16):
            pieces.append(self.rfile.read(length))
            self.rfile.readline()
        while self.rfile.readline().strip():
            pass  # a trailer
        return b"".join(pieces)

    def tell(self, status: int, told: bytes) -> None:
        self.send_response(status)
        for name, value in json.loads(self.headers.get("X-Mirror-Answer", "{}")).items():
            for each in value if isinstance(value, list) else [value]:
                self.send_header(name, each)
        if status in (204, 304):
            told = b""
        else:
            self.send_header("Content-Length", str(len(told)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(told)

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = answer

    def log_message(self, format: str, *args: object) -> None:
        """Leave the log to what is asked for."""


def secrets() -> list[Path]:
    """Find what secrets there are; Kubernetes keeps folders of its own beside the files."""
    return sorted(file for file in SECRETS.glob("[!.]*") if file.is_file())


def main() -> None:
    address = os.environ.get("HOST", ""), int(os.environ.get("PORT", "8080"))

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        request_queue_size = 128

    server = Server(address, Mirror)

    def end(number: int, frame: object) -> None:
        threading.Timer(DRAIN_SECONDS, os._exit, (0,)).start()

    signal.signal(signal.SIGTERM, end)
    LOCK.touch()
    print("mirror serves", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
