"""Go programs that tests run: built once into the cache, from modules pinned in tests/tools."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from local.machine import files
from local.services.fetch import go
from local.services.settings import Stack

BUILD_SECONDS = 1200
_TOOLS = Path(__file__).with_name("tools")


@dataclass(frozen=True)
class GoTool:
    """One program.

    Attributes:
        pins: the folder in tests/tools whose go.mod and go.sum pin the module.
        package: what is built, where that is not the module itself.
        version_variable: the variable that the linker puts the pinned version into, if any.
        build_seconds: how long its build may take.
    """

    name: str
    module: str
    pins: str = "."
    package: str = ""
    version_variable: str = ""
    build_seconds: float = BUILD_SECONDS

    def binary(self) -> Path:
        """Return the program's path; the first call of a machine builds it, in a minute at most."""
        built = self._path()
        # Who comes meanwhile waits: two builds at once take twice as long, each.
        with files.lock(built.parent.with_name(f"{self.name}.lock")):
            if not built.exists():
                built.parent.mkdir(parents=True, exist_ok=True)
                self._build(go.install(Stack.from_env(os.environ)), built)
        return built

    def is_built(self) -> bool:
        """Tell whether an earlier call has built it."""
        return self._path().exists()

    def _path(self) -> Path:
        stack = Stack.from_env(os.environ)
        return stack.cache_dir / f"{self.name}-{self._release()}" / self.name

    def _release(self) -> str:
        """The version that is pinned; of a commit's pseudo-version the commit."""
        text = (_TOOLS / self.pins / "go.mod").read_text()
        pin = re.search(rf"{self.module} (v\S+)$", text, re.MULTILINE)
        assert pin, f"tests/tools/{self.pins}/go.mod pins no {self.module}"
        return pin[1].rpartition("-")[2]

    def _build(self, toolchain: Path, target: Path) -> None:
        with tempfile.TemporaryDirectory(dir=target.parent) as folder:
            workshop = Path(folder)
            for name in ("go.mod", "go.sum"):
                shutil.copy(_TOOLS / self.pins / name, workshop)
            # faas-cli's own go.mod is older than its needs: they are taken from the one beside it.
            environment = {**go.environment(workshop), "GOFLAGS": "-mod=mod -modcacherw"}
            package = self.package or self.module
            command = [str(toolchain), "build", "-trimpath", "-o", self.name]
            if self.version_variable:
                command += ["-ldflags", f"-s -w -X {self.version_variable}={self._release()}"]
            run([*command, package], workshop, environment, self.build_seconds)
            (workshop / self.name).rename(target)


def run(command: list[str], cwd: Path, environment: dict[str, str], seconds: float) -> None:
    """Run a command to its end; one that fails shows what it said."""
    done = subprocess.run(
        command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=seconds
    )
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
