"""How pip is run: wheels alone, from its configured index, within a budget of bytes and time."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import signal
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from packaging.utils import canonicalize_name

from local.machine import addresses
from local.provider.requirements import shared, shelf
from local.provider.requirements.lines import Line

# Of util-linux. The signal comes when the thread that forked ends: fork in the main thread only.
_DIE_WITH_PROVIDER = ("setpriv", "--pdeathsig", "KILL", "--", "nice", "-n", "10")
_LOOK_SECONDS = 0.5
_LAST_LINES = 8
MAX_PACKAGES = 300
_NO_NETWORK = re.compile(
    r"NewConnectionError|NameResolutionError|ConnectTimeout|Network is unreachable|ProxyError"
    r"|Failed to establish|name resolution|Connection refused|No route to host|Retrying \(Retry"
)


class Failed(Exception):
    """The requirements cannot be had; the message says why, and what is missing."""


@dataclass(frozen=True)
class Package:
    """One package as pip resolved it; `sha256` of the wheel, where pip tells it."""

    name: str
    version: str
    sha256: str

    @property
    def line(self) -> str:
        hashed = f" --hash=sha256:{self.sha256}" if self.sha256 else ""
        return f"{self.name}=={self.version}{hashed}"


@dataclass
class Pip:
    """Runs in one folder, of which it may fill `max_bytes`, until the deadline.

    Attributes:
        tell: hears how it goes, in words.
    """

    workshop: Path
    max_bytes: int
    deadline: float
    tell: Callable[[str], None]

    async def resolve(self, lines: Sequence[Line]) -> list[Package]:
        """Tell which packages these lines need that the shared ones lack; install nothing.

        Raises:
            Failed: there is no such set of wheels, or no index answers.
        """
        report = self.workshop / "report.json"
        asked = self._write("asked.txt", [line.text for line in lines])
        await self._run(lines, "--dry-run", "--report", str(report), "-r", asked)
        found = [_package(each) for each in json.loads(report.read_text())["install"]]
        if len(found) > MAX_PACKAGES:
            raise Failed(f"they need {len(found)} packages; the limit is {MAX_PACKAGES}")
        _check_hashes(lines, found)
        return found

    async def install(self, packages: Sequence[Package], site: Path) -> None:
        """Install exactly these wheels into an empty folder."""
        exact = self._write("resolved.txt", [each.line for each in packages])
        hashed = ["--require-hashes"] if all(each.sha256 for each in packages) else []
        await self._run((), "--no-deps", *hashed, "-r", exact, "--target", str(site))

    def _write(self, name: str, lines: list[str]) -> str:
        path = self.workshop / name
        path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        return str(path)

    async def _run(self, lines: Sequence[Line], *arguments: str) -> None:
        temporary = self.workshop / "tmp"
        temporary.mkdir(exist_ok=True)
        process = await asyncio.create_subprocess_exec(
            *(*_DIE_WITH_PROVIDER, sys.executable, "-m", "pip", "install", "--no-input"),
            *("--disable-pip-version-check", "--progress-bar", "off", "--only-binary", ":all:"),
            *("--retries", "1", "--timeout", "15", *arguments),
            # What pip caches is read by the second step, counts, and goes with the folder.
            env={
                **os.environ,
                "TMPDIR": str(temporary),
                "PIP_CACHE_DIR": str(self.workshop / "cache"),
            },
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,
        )
        said: list[str] = []
        following = asyncio.create_task(self._follow(process.stdout, said))
        try:
            await self._watch(process)
            await following
        finally:
            following.cancel()
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()
        if process.returncode:
            raise Failed(_why(lines, said))

    async def _follow(self, output: asyncio.StreamReader | None, said: list[str]) -> None:
        while output and (raw := await _line(output)):
            if text := addresses.hide(raw.decode(errors="replace").strip()):
                said.append(text[:300])
                del said[:-50]
                self.tell(text.partition(" (from ")[0][:120])

    async def _watch(self, process: asyncio.subprocess.Process) -> None:
        """Wait for the end of pip, as long as the budget allows."""
        ended = asyncio.create_task(process.wait())
        try:
            while not ended.done():
                await asyncio.wait([ended], timeout=_LOOK_SECONDS)
                if time.monotonic() > self.deadline:
                    raise Failed("the time is over; the limit is PROVIDER_LAYER_SECONDS")
                size = await asyncio.to_thread(shelf.size_of, self.workshop)
                if size > self.max_bytes:
                    raise Failed(
                        f"they take {size / 1e6:.1f} MB on the disk while they are installed; the"
                        f" limit is {self.max_bytes / 1e6:.1f} MB (PROVIDER_LAYER_BYTES)"
                    )
        finally:
            ended.cancel()


async def _line(output: asyncio.StreamReader) -> bytes:
    """The next line, or as much of one as is read at once; nothing at the end."""
    try:
        return await output.readline()
    except ValueError:  # longer than the buffer
        return await output.read(1 << 16)


def _package(told: dict[str, Any]) -> Package:
    archive = told["download_info"].get("archive_info") or {}
    digest = (archive.get("hashes") or {}).get("sha256") or ""
    return Package(told["metadata"]["name"], told["metadata"]["version"], digest)


def _check_hashes(lines: Sequence[Line], found: Sequence[Package]) -> None:
    allowed = {line.name: line.hashes for line in lines if line.hashes}
    for package in found:
        hashes = allowed.get(canonicalize_name(package.name))
        if hashes and package.sha256 not in hashes:
            raise Failed(
                f"the wheel of {package.name}=={package.version} has sha256:{package.sha256};"
                f" {len(hashes)} others are allowed"
            )


def _why(lines: Sequence[Line], said: Sequence[str]) -> str:
    text = "\n".join(said)
    if _NO_NETWORK.search(text):
        wanted = ", ".join(line.text for line in shared.missing(lines))
        return f"no package index answers, and these are not installed here: {wanted}"
    errors = [line.removeprefix("ERROR: ") for line in said if line.startswith("ERROR: ")]
    told = "; ".join(errors or said[-_LAST_LINES:])
    return f"{told} (only wheels are installed: there is no compiler)"
