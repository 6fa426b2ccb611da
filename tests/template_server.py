"""The template's index.py as a process of its own, with a handler that does what a test wants."""

from __future__ import annotations

import math
import shutil
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from functools import partial
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any

import requests

from tests.ports import free_ports
from tests.provider import PATIENCE_SECONDS, TEMPLATE, eventually

# A handler whose answers wait for files, so that a test decides when they come.
HANDLER = """
    import time
    from pathlib import Path
    from sibling import GREETING

    HERE = Path.cwd()

    def handle(event, context):
        if event.path == "/echo":
            return {
                "statusCode": 201,
                "headers": {"X-Method": event.method, "X-Given": event.headers["x-given"]},
                "body": {"query": event.query["q"], "body": event.body.decode()},
            }
        if event.path == "/fail":
            raise ValueError("the secret of the handler")
        if event.path.startswith("/wait/"):
            name = event.path.removeprefix("/wait/")
            (HERE / f"{name}.begun").touch()
            while not (HERE / f"{name}.may-end").exists():
                time.sleep(0.005)
        return GREETING

    def sender(event):
        return event.headers.get("X-Sender", "")

    def ready():
        if (HERE / "is-broken").exists():
            raise RuntimeError("the model does not fit")
        return None if (HERE / "is-ready").exists() else "the model is not loaded"

    def close():
        (HERE / "closed").touch()
"""


class Server:
    """A process of index.py in a folder of its own."""

    def __init__(self, folder: Path, handler: str = HANDLER, **env: str) -> None:
        self.folder = folder
        shutil.copytree(TEMPLATE, folder, ignore=shutil.ignore_patterns("__pycache__"))
        (folder / "function" / "handler.py").write_text(textwrap.dedent(handler))
        (folder / "function" / "sibling.py").write_text('GREETING = "hello"\n')
        (self.port,) = free_ports(1)
        self.url = f"http://127.0.0.1:{self.port}"
        self.http = requests.Session()
        self.http.trust_env = False
        self.log = (folder / "log").open("w+")
        self.process = subprocess.Popen(
            [sys.executable, "index.py"],
            cwd=folder,
            env={"HOST": "127.0.0.1", "PORT": str(self.port), **env},
            stdout=self.log,
            stderr=self.log,
        )
        self.threads = ThreadPoolExecutor(32)

    def get(self, path: str, **request: Any) -> requests.Response:
        return self.http.get(self.url + path, timeout=PATIENCE_SECONDS, **request)

    def is_up(self) -> bool:
        assert self.process.poll() is None, self.output()
        try:
            return self.get("/_/health").ok
        except requests.ConnectionError:
            return False

    def begin_waiting(self, name: str, **headers: str) -> Callable[[], requests.Response]:
        """Send a request that is in flight until `may_end`; return how to get its answer."""
        url = f"{self.url}/wait/{name}"
        get = partial(requests.get, headers=headers, timeout=PATIENCE_SECONDS)
        future = self.threads.submit(get, url)
        eventually((self.folder / f"{name}.begun").exists)
        return future.result

    def may_end(self, *names: str) -> None:
        for name in names:
            (self.folder / f"{name}.may-end").touch()

    def output(self) -> str:
        self.log.seek(0)
        return self.log.read()

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        self.threads.shutdown()
        self.log.close()
        self.http.close()


def answered_until(
    end: Callable[[], float], port: int, body: bytes = b"", headers: Mapping[str, str] | None = None
) -> list[int]:
    """Post again and again until a moment; whatever was sent before it must be answered.

    Args:
        end: the moment, by the monotonic clock; it may be set meanwhile.

    Returns:
        Every status; nobody needs to answer what was sent later.
    """
    statuses = []
    while time.monotonic() < end():
        sent_at = math.inf
        with closing(HTTPConnection("127.0.0.1", port, timeout=PATIENCE_SECONDS)) as connection:
            try:
                connection.request("POST", "/", body, headers or {})
                sent_at = time.monotonic()
                answer = connection.getresponse()
                answer.read()
                statuses.append(answer.status)
            except (OSError, HTTPException):
                if min(sent_at, time.monotonic()) < end():
                    raise
    return statuses
