"""A real provider for tests: own STATE_DIR and port, small functions written by the test."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import requests

from tests.ports import free_ports

ROOT = Path(__file__).resolve().parents[1]
TEMPLATE = ROOT / "template" / "python3-pipeline"
PATIENCE_SECONDS = 60
REQUEST_SECONDS = 2 * PATIENCE_SECONDS  # the provider itself gives up first, and says why
ROLLOUT_SECONDS = 120  # the provider's default: longer waits are for nothing
USER, PASSWORD = "admin", "secret-of-a-test"
# A function of its own kind, in function/server.py: its start costs next to nothing.
TINY = """
    import os
    from http.server import BaseHTTPRequestHandler, HTTPServer

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"ok")

    HTTPServer(("127.0.0.1", int(os.environ["PORT"])), Answer).serve_forever()
"""
TINY_PROCESS = "python -S -E function/server.py"

Seen = TypeVar("Seen")


def eventually(look: Callable[[], Seen], seconds: float = PATIENCE_SECONDS) -> Seen:
    """Look until what is seen is true, and return it; fail at the deadline with the last look."""
    deadline = time.monotonic() + seconds
    while not (seen := look()):
        assert time.monotonic() < deadline, f"not within {seconds} s; last seen: {seen!r}"
        time.sleep(0.02)
    return seen


def stop(process: subprocess.Popen[bytes]) -> int:
    process.send_signal(signal.SIGTERM)
    try:
        return process.wait(PATIENCE_SECONDS)
    finally:
        process.kill()
        process.wait()


class Provider:
    """Starts and stops `python -m local.provider`, and talks to it as a client does."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.build_dir = folder / "build"
        self.state_dir = folder / "state"
        (self.port,) = free_ports(1)
        self.url = f"http://127.0.0.1:{self.port}"
        self.http = requests.Session()
        self.http.trust_env = False
        self.process: subprocess.Popen[bytes] | None = None
        self.add_secret("basic-auth-user", USER)
        self.add_secret("basic-auth-password", PASSWORD)

    def start(self, **env: str) -> None:
        environment = {
            **os.environ,
            "PROVIDER_PORT": str(self.port),
            "STATE_DIR": str(self.state_dir),
            "BUILD_DIR": str(self.build_dir),
            # However long a busy machine takes to start a replica, requests wait for it.
            "PROVIDER_WAIT_SECONDS": str(PATIENCE_SECONDS),
            "PROVIDER_WAKE_SECONDS": str(PATIENCE_SECONDS),
            **env,
        }
        command = [sys.executable, "-m", "local.provider"]
        with (self.folder / "provider.log").open("ab") as log:
            self.process = subprocess.Popen(
                command, cwd=ROOT, env=environment, stdout=log, stderr=log
            )
        eventually(self.is_up)

    def is_up(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, (self.folder / "provider.log").read_text()
        try:
            return self.http.get(f"{self.url}/healthz", timeout=REQUEST_SECONDS).ok
        except requests.ConnectionError:
            return False

    def stop(self) -> int:
        assert self.process is not None
        return stop(self.process)

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def add_secret(self, name: str, value: str) -> None:
        path = self.state_dir / "secrets" / name
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.write_text(value)

    def build(self, name: str, handler: str, **files: str) -> None:
        """Put into build/ what shrinkwrapping a function with this handler makes."""
        target = self.build_dir / name
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(TEMPLATE, target, ignore=shutil.ignore_patterns("__pycache__"))
        for stem, code in {"handler": handler, **files}.items():
            (target / "function" / f"{stem}.py").write_text(textwrap.dedent(code))

    def system(self, method: str, path: str, body: object = None) -> requests.Response:
        url, auth = f"{self.url}/system{path}", (USER, PASSWORD)
        return self.http.request(method, url, json=body, auth=auth, timeout=REQUEST_SECONDS)

    def deploy(self, name: str, handler: str | None = None, **request: Any) -> None:
        """Build and deploy, or update, a function, and wait until its replicas are available."""
        if handler is not None:
            self.build(name, handler)
        body = {"service": name, "image": f"{name}:latest", "envProcess": "python index.py"}
        is_new = self.system("GET", f"/function/{name}").status_code == 404
        answer = self.system("POST" if is_new else "PUT", "/functions", {**body, **request})
        assert answer.status_code == 202, answer.text
        eventually(lambda: self.is_settled(name), ROLLOUT_SECONDS)

    def is_settled(self, name: str) -> bool:
        status = self.describe(name)
        is_available = status["availableReplicas"] == status["replicas"]
        return bool(is_available and "com.openfaas.local.rollout" not in status["annotations"])

    def describe(self, name: str) -> dict[str, Any]:
        answer = self.system("GET", f"/function/{name}")
        assert answer.ok, answer.text
        described: dict[str, Any] = answer.json()
        return described

    def invoke(self, path: str, method: str = "POST", **request: Any) -> requests.Response:
        url = f"{self.url}/function/{path}"
        return self.http.request(method, url, timeout=REQUEST_SECONDS, **request)

    @contextmanager
    def waiting(self, path: str, may_end: Path) -> Iterator[Future[requests.Response]]:
        """Have a request in flight, which is answered when the file is there: here at the latest.

        The function is given the file's name in the body, and touches the same with `.begun`.
        """
        with ThreadPoolExecutor(1) as thread:
            answer = thread.submit(self.invoke, path, data=str(may_end))
            try:
                eventually(may_end.with_suffix(".begun").exists)
                yield answer
            finally:
                may_end.touch()

    def follow(self, name: str) -> requests.Response:
        """Begin to read a function's log as it is written; whoever reads it closes the answer."""
        url = f"{self.url}/system/logs?follow=true&name={name}"
        return self.http.get(url, auth=(USER, PASSWORD), stream=True, timeout=REQUEST_SECONDS)

    def replicas(self, name: str) -> dict[str, dict[str, Any]]:
        """Return the run files of a function's replicas."""
        found = {}
        for path in sorted((self.state_dir / "run").glob(f"{name}-*.json")):
            try:
                found[path.stem] = json.loads(path.read_text())
            except FileNotFoundError:  # it ended between the look and the read
                continue
        return found


@contextmanager
def running_provider(folder: Path, **env: str) -> Iterator[Provider]:
    provider = Provider(folder)
    try:
        provider.start(**env)
        yield provider
    finally:
        if provider.process and provider.process.poll() is None:
            provider.stop()
        provider.http.close()
