"""The real faas-cli 0.13.14 for tests: built once from its pinned module into the cache."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.go_tools import GoTool

COMMAND_SECONDS = 300
_TOOL = GoTool("faas-cli", "github.com/openfaas/faas-cli")


def binary() -> Path:
    """Return the path of faas-cli; the first call of a machine builds it, in about a minute."""
    return _TOOL.binary()


@dataclass(frozen=True)
class FaasCli:
    """Runs faas-cli in a project's folder against one gateway, with a home of its own."""

    project: Path
    home: Path
    gateway: str

    def __call__(
        self, *arguments: str, stdin: bytes = b"", **env: str
    ) -> subprocess.CompletedProcess[bytes]:
        """Run one command; its output and errors are in `stdout`."""
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.home),
            "OPENFAAS_CONFIG": str(self.home),
            "OPENFAAS_URL": self.gateway,
            **({"CI": os.environ["CI"]} if "CI" in os.environ else {}),
            **env,
        }
        return subprocess.run(
            [binary(), *arguments],
            cwd=self.project,
            env=environment,
            input=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=COMMAND_SECONDS,
        )


def logged_in(project: Path, home: Path, gateway: str, login: tuple[str, str]) -> FaasCli:
    """Have a faas-cli that a gateway knows."""
    faas_cli = FaasCli(project, home, gateway)
    user, password = login
    said(faas_cli, "login", "--username", user, "--password-stdin", stdin=password.encode())
    return faas_cli


def said(faas_cli: FaasCli, *words: str, stdin: bytes = b"", **env: str) -> str:
    """What a command prints that works."""
    done = faas_cli(*words, stdin=stdin, **env)
    assert done.returncode == 0, done.stdout.decode()
    return done.stdout.decode()
