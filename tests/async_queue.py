"""The queue of /async-function in a stack of its own: a function, and who is told its answers."""

from __future__ import annotations

import hashlib
import shutil
import textwrap
import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import requests

from tests.local_stack import LocalStack, unstarted_stack
from tests.provider import TEMPLATE
from tests.stack import until

# Says what it was given, or what its path asks for; and notes every call before it answers.
WORKER = """
    import hashlib
    import os
    import time

    def handle(event, context):
        _, what, *rest = event.path.split("/")
        seen = [event.headers.get("X-Call-Id", ""), what, hashlib.sha256(event.body).hexdigest()]
        with open(os.environ["NOTES"], "a") as notes:
            notes.write(" ".join(seen) + "\\n")
        if what == "status":
            return {"statusCode": int(rest[0]), "body": "as asked for"}
        if what == "once":
            # Another status, until it was called twice.
            with open(os.environ["NOTES"]) as notes:
                if notes.read().count(seen[0]) < 2:
                    return {"statusCode": int(rest[0]), "body": "not yet"}
        if what == "seen":
            return {"statusCode": 200, "body": {
                "path": event.path, "query": event.query.to_dict(),
                "headers": [[name, value] for name, value in event.headers.items()]}}
        if what == "large":
            return {"statusCode": 200, "body": b"a" * int(rest[0])}
        return {"statusCode": 200, "body": event.body, "headers": {"X-Of": "worker"}}
"""
PARTS = ("async-call-consumer", "nginx")


@dataclass(frozen=True)
class Told:
    """One answer that was sent on."""

    path: str
    headers: Mapping[str, str]
    body: bytes


class Receiver:
    """Takes answers on 127.0.0.1, as X-Callback-Url names it.

    Attributes:
        status: what it says next, and so on.
    """

    def __init__(self) -> None:
        self.told: list[Told] = []
        self.status = 200
        told = self.told
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                told.append(Told(self.path, dict(self.headers.items()), body))
                self.send_response(receiver.status)
                self.send_header("Location", "/elsewhere")
                self.send_header("Content-Length", "0")
                self.end_headers()

            do_GET = do_POST

            def log_message(self, format: str, *args: Any) -> None:
                """Say nothing."""

        class Server(ThreadingHTTPServer):
            request_queue_size = 128

        self._server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/answers"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def of(self, call_id: str) -> list[Told]:
        """All that was told of one call."""
        return [each for each in list(self.told) if each.headers.get("X-Call-Id") == call_id]

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@dataclass(frozen=True)
class Queue:
    """A running stack with the queue, one function `worker`, and a receiver."""

    stack: LocalStack
    receiver: Receiver
    http: requests.Session = field(default_factory=requests.Session)

    def call(
        self, path: str = "/", body: bytes = b"x", *, door: str = "", **headers: str
    ) -> requests.Response:
        """Call worker later, through the gateway unless another door is named."""
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        url = f"{door or self.stack.url}/async-function/worker{path}"
        key = {} if door else {"X-Api-Key": self.stack.api_key}
        return self.http.post(url, data=body, headers={**key, **given}, timeout=60)

    def accepted(self, path: str = "/", body: bytes = b"x", **headers: str) -> str:
        """Call worker later, which must be taken; the call's id."""
        answer = self.call(path, body, **headers)
        assert answer.status_code == 202, answer.text
        return answer.headers["X-Call-Id"]

    def told(self, call_id: str) -> Told:
        """Wait for the answer of a call."""
        return until(lambda: self.receiver.of(call_id) or None)[0]

    @property
    def notes(self) -> Path:
        """Where worker notes what it is given."""
        return self.stack.shared / "notes"

    def times(self) -> Counter[str]:
        """How often each call was made, by its id."""
        return Counter(line.split(" ")[0] for line in self.notes.read_text().splitlines())

    def digests(self, call_id: str) -> set[str]:
        """What bodies worker was given."""
        lines = [line.split(" ") for line in self.notes.read_text().splitlines()]
        return {line[2] for line in lines if line[0] == call_id}

    def deploy(self, name: str, handler: str, replicas: int = 1) -> None:
        """Deploy a function, and wait until it serves."""
        target = self.stack.state_dir / "build" / name
        shutil.copytree(TEMPLATE, target, ignore=shutil.ignore_patterns("__pycache__"))
        (target / "function" / "handler.py").write_text(textwrap.dedent(handler))
        request = {
            "service": name,
            "image": f"{name}:latest",
            "envProcess": "python index.py",
            "envVars": {"NOTES": str(self.notes)},
            "labels": {"com.openfaas.scale.min": str(replicas)},
        }
        system, login = f"{self.stack.provider_url}/system", self.stack.login
        deployed = requests.post(f"{system}/functions", json=request, auth=login, timeout=60)
        assert deployed.status_code == 202, deployed.text

        def serves() -> bool:
            told = requests.get(f"{system}/function/{name}", auth=login, timeout=60).json()
            return bool(told["availableReplicas"] >= replicas)

        until(serves)


def digest(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()


@contextmanager
def running_queue(folder: Path, replicas: int = 1, **settings: str) -> Iterator[Queue]:
    """Start what the queue takes, and a function; stop it all when done."""
    receiver = Receiver()
    given = {"ASYNC_CALLBACK_URLS": receiver.url, **settings}
    try:
        with unstarted_stack(folder, given) as stack:
            started = stack.command("up", "--only", *PARTS)
            assert started.returncode == 0, f"{started.stdout}\n{started.stderr}"
            queue = Queue(stack, receiver)
            queue.notes.touch()
            queue.notes.chmod(0o666)  # the function is another user
            queue.deploy("worker", WORKER, replicas)
            yield queue
    finally:
        receiver.close()
