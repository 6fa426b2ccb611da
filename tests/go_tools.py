"""Go programs that tests run: built once into the cache, from modules pinned in tests/tools."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from local.machine import files
from local.services.fetch import go
from local.services.progress import StepFailed, run
from local.services.settings import ROOT, Stack

BUILD_SECONDS = 1200
_TOOLS = Path(__file__).with_name("tools")
_LICENSE = "LICENSE"


@dataclass(frozen=True)
class GoTool:
    """One program, or several that are built together.

    Attributes:
        pins: the folder in tests/tools whose go.mod and go.sum pin the module; Go files beside
            them are a program of our own that puts the module together.
        package: what is built, where that is not the module itself; several are joined by spaces.
        version_variable: the variable that the linker puts the pinned version into, if any.
        linked: other variables of the linker, as NAME=VALUE.
        build_seconds: how long its build may take.
        must_be_mit: whether it is built only where the module's LICENSE is the MIT text.
    """

    name: str
    module: str
    pins: str = "."
    package: str = ""
    version_variable: str = ""
    linked: tuple[str, ...] = ()
    build_seconds: float = BUILD_SECONDS
    must_be_mit: bool = False

    def binary(self) -> Path:
        """Return the program's path; the first call of a machine builds it, in a minute at most."""
        return self.folder() / self.name

    def folder(self) -> Path:
        """Return where the programs are, each by the name of its package if there are several."""
        built = self._folder()
        # Who comes meanwhile waits: two builds at once take twice as long, each.
        with files.lock(built.with_name(f"{self.name}.lock")):
            if not self.is_built():
                self._build(go.install(Stack.from_env(os.environ)), built)
        return built

    def is_built(self) -> bool:
        """Tell whether an earlier call has built it."""
        return all((self._folder() / name).exists() for name in self._programs())

    def release(self) -> str:
        """The version that is pinned; of a commit's pseudo-version the commit."""
        text = (_TOOLS / self.pins / "go.mod").read_text()
        pin = re.search(rf"{self.module} (v\S+)$", text, re.MULTILINE)
        assert pin, f"tests/tools/{self.pins}/go.mod pins no {self.module}"
        return pin[1].rpartition("-")[2]

    def _folder(self) -> Path:
        return Stack.from_env(os.environ).cache_dir / f"{self.name}-{self.release()}"

    def _packages(self) -> list[str]:
        return self.package.split() or [self.module]

    def _programs(self) -> list[str]:
        packages = self._packages()
        return [each.rpartition("/")[2] for each in packages] if packages[1:] else [self.name]

    def _build(self, toolchain: Path, target: Path) -> None:
        # A build that was killed goes on from here; a finished one has no use for its gigabytes.
        workshop = target.with_name(f"{self.name}-build")
        shutil.rmtree(workshop / "bin", ignore_errors=True)
        (workshop / "bin").mkdir(parents=True, exist_ok=True)
        pins = [_TOOLS / self.pins / name for name in ("go.mod", "go.sum")]
        for each in (*pins, *(_TOOLS / self.pins).glob("*.go")):
            shutil.copy(each, workshop)
        # faas-cli's own go.mod is older than its needs: they are taken from the one beside it.
        environment = {**go.environment(workshop), "GOFLAGS": "-mod=mod -modcacherw"}
        license_text = self._license(toolchain, workshop, environment)
        if self.must_be_mit and not is_mit(license_text):
            raise StepFailed(f"{self.module}: its LICENSE is not the MIT text; it is not built")
        packages = self._packages()
        output = "bin/" if packages[1:] else f"bin/{self.name}"
        command = [str(toolchain), "build", "-v", "-trimpath", "-o", output]
        version = [f"{self.version_variable}={self.release()}"] if self.version_variable else []
        if variables := [*version, *self.linked]:
            flags = " ".join(f"-X {each}" for each in variables)
            command += ["-ldflags", f"-s -w {flags}"]
        run(
            f"{self.name}: building from source, once",
            ["nice", "-n", "19", "timeout", str(self.build_seconds), *command, *packages],
            environment=environment,
            folder=workshop,
            describe=go.package_counter(),
        )
        (workshop / "bin" / _LICENSE).write_text(license_text)
        shutil.rmtree(target, ignore_errors=True)
        (workshop / "bin").rename(target)
        shutil.rmtree(workshop)

    def _license(self, toolchain: Path, workshop: Path, environment: dict[str, str]) -> str:
        """Fetch the module and read what it says of itself."""
        done = subprocess.run(
            [toolchain, "mod", "download", "-json", self.module],
            cwd=workshop, env=environment, capture_output=True, text=True, timeout=BUILD_SECONDS,
        )  # fmt: skip
        if done.returncode:
            raise StepFailed(f"{self.name}: {self.module} cannot be had: {done.stderr.strip()}")
        file = Path(json.loads(done.stdout)["Dir"]) / _LICENSE
        return file.read_text(encoding="utf-8") if file.exists() else ""


def is_mit(text: str) -> bool:
    """Tell whether a licence is the MIT text, as ours is, whoever holds the copyright."""
    return _terms(text) == _terms((ROOT / _LICENSE).read_text(encoding="utf-8"))


def _terms(text: str) -> list[str]:
    lines = [line for line in text.splitlines() if not line.startswith("Copyright")]
    return " ".join(lines).split()
