"""A watchdog for tests: started as the provider starts it, without a provider."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import requests

from tests.ports import free_ports
from tests.provider import PATIENCE_SECONDS, REQUEST_SECONDS, ROOT, eventually

MAX_BODY_BYTES = 1_000_000


class Watchdog:
    """One that runs, its folder, and what it has written."""

    def __init__(self, folder: Path, mode: str, process: tuple[str, ...], **env: str) -> None:
        (port,) = free_ports(1)
        self.url = f"http://127.0.0.1:{port}"
        self.http = requests.Session()
        self.http.trust_env = False
        self._log = folder / "watchdog.log"
        environment = {
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "HOME": str(folder),
            "TMPDIR": str(folder),
            "PORT": str(port),
            "SHUTDOWN_GRACE_SECONDS": "0",
            **env,
        }
        command = [
            *(sys.executable, "-I", "-u", str(ROOT / "local/watchdog/__main__.py")),
            *("--mode", mode, "--upstream-port", "5000"),
            *("--max-body-bytes", str(MAX_BODY_BYTES), "--", *process),
        ]
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                command, cwd=folder, env=environment, stdout=log, stderr=log, start_new_session=True
            )

    @property
    def log(self) -> str:
        return self._log.read_text()

    def ask(self, path: str = "/", method: str = "POST", **request: object) -> requests.Response:
        call: Callable[..., requests.Response] = self.http.request
        return call(method, self.url + path, timeout=REQUEST_SECONDS, **request)

    def health(self) -> int:
        """Return the status of its health; 0 where nothing answers."""
        assert self.process.poll() is None, self.log
        try:
            return self.ask("/_/health", "GET").status_code
        except requests.ConnectionError:
            return 0

    def terminate(self) -> None:
        self.process.send_signal(signal.SIGTERM)

    def wait(self) -> int:
        return self.process.wait(PATIENCE_SECONDS)


@contextmanager
def started(folder: Path, mode: str, *process: str, **env: str) -> Iterator[Watchdog]:
    """Start a watchdog; kill what is left of it at the end."""
    one = Watchdog(folder, mode, process, **env)
    try:
        yield one
    finally:
        one.process.kill()
        one.process.wait()
        one.http.close()


@contextmanager
def serving(folder: Path, mode: str, *process: str, **env: str) -> Iterator[Watchdog]:
    """Start a watchdog and wait until it is healthy."""
    with started(folder, mode, *process, **env) as one:
        eventually(lambda: one.health() == 200)
        yield one


def script(folder: Path, code: str) -> tuple[str, ...]:
    """Write a program in Python; return the words that run it, quickly."""
    path = folder / "program.py"
    path.write_text(textwrap.dedent(code))
    return ("python", "-S", "-E", str(path))
