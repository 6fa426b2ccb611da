"""The real faas-cli 0.13.14 for tests: built once from its pinned module into the cache."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from local.services import go
from local.services.settings import Stack

ROOT = Path(__file__).resolve().parents[1]
TOOLS = ROOT / "tests" / "tools"
MODULE = "github.com/openfaas/faas-cli"
BUILD_SECONDS = 280
COMMAND_SECONDS = 60


def binary() -> Path:
    """Return the path of faas-cli; the first call of a machine builds it, in about a minute."""
    pin = re.search(rf"{MODULE} v\S+-(\w+)$", (TOOLS / "go.mod").read_text(), re.MULTILINE)
    assert pin, "tests/tools/go.mod pins no faas-cli"
    stack = Stack.from_env(os.environ)
    built = stack.cache_dir / f"faas-cli-{pin[1]}" / "faas-cli"
    if not built.exists():
        built.parent.mkdir(parents=True, exist_ok=True)
        build(go.install(stack), built)
    return built


def build(toolchain: Path, target: Path) -> None:
    with tempfile.TemporaryDirectory(dir=target.parent) as folder:
        workshop = Path(folder)
        for name in ("go.mod", "go.sum"):
            shutil.copy(TOOLS / name, workshop)
        # The module's own go.mod is older than its needs: they are taken from the one beside it.
        environment = {**go.environment(workshop), "GOFLAGS": "-mod=mod -modcacherw"}
        command = [str(toolchain), "build", "-trimpath", "-o", "faas-cli", MODULE]
        run(command, workshop, environment, BUILD_SECONDS)
        (workshop / "faas-cli").rename(target)


def run(
    command: list[str], cwd: Path, environment: dict[str, str], seconds: float = COMMAND_SECONDS
) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=seconds
    )
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    return done


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
