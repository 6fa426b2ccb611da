"""What the cache holds of what one machine needs, and how it is carried to another."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from local.machine import state
from local.services.fetch import debian, kafka_jars, minio_build, wheels
from local.services.settings import Stack

_LOCKED = re.compile(r"^([\w.-]+)==(\S+)", re.MULTILINE)
_KAFKA = re.compile(r"kafka_[\d.]+-([\d.]+)\.jar")
_COLUMNS = 120


@dataclass(frozen=True)
class Held:
    """One thing in the cache.

    Attributes:
        paths: files and folders below the cache; none where it is not in there.
    """

    name: str
    version: str
    paths: tuple[Path, ...] = ()

    @property
    def megabytes(self) -> float:
        return sum(map(_bytes, self.paths)) / 1e6


def held(stack: Stack) -> Iterator[Held]:
    """What a start needs, whether the cache has it, the machine or nobody; then functions' own."""
    yield _packages(stack)
    yield _kafka(stack)
    yield _minio(stack)
    yield _nginx(stack)
    yield from _layers(stack)


def text(stack: Stack) -> str:
    """The list for a person, and the commands that carry it along."""
    rows = [f"  {it.name:16}{_size(it):>10}  {it.version}" for it in held(stack)]
    return "\n".join(
        [
            f"In the cache {stack.cache_dir}, for {wheels.describe_platform()}:",
            *rows,
            *_locked_packages(),
            "To carry it to a machine without a network, with this checkout:",
            *(f"  {command}" for command in carry_commands(stack)),
            f"There Debian 12 must have {', '.join(debian.FOR_CACHE)}; then `make up` works.",
        ]
    )


def carry_commands(stack: Stack, archive: str = "image-pipeline-cache.tar") -> list[str]:
    """What is typed here, and what is typed there."""
    carried = (each if each.is_dir() else each.parent for each in _carried(stack))
    folders = sorted({str(each.relative_to(stack.cache_dir)) for each in carried})
    here = ["tar", "-C", str(stack.cache_dir), "-cf", archive, *folders]
    there = f"tar -C ~/.cache/image-pipeline -xf {shlex.quote(archive)}"
    return [shlex.join(here), f"mkdir -p ~/.cache/image-pipeline && {there}"]


def _carried(stack: Stack) -> Iterator[Path]:
    for it in held(stack):
        yield from it.paths


def _packages(stack: Stack) -> Held:
    paths = wheels.fetched(stack)
    if not paths:
        return Held("Python packages", "MISSING: `make fetch` downloads them")
    return Held("Python packages", f"{len(paths)} wheels of {wheels.LOCK.name}", tuple(paths))


def _kafka(stack: Stack) -> Held:
    folder = kafka_jars.folder(stack)
    if not folder.exists():
        return Held("Kafka", "MISSING: `make fetch` downloads it")
    jars = [jar.name for jar in folder.iterdir()]
    found = [match[1] for jar in jars if (match := _KAFKA.fullmatch(jar))]
    return Held("Kafka", f"{', '.join(found)}, {len(jars)} jars", (folder,))


def _minio(stack: Stack) -> Held:
    program = minio_build.find(stack)
    if program is None:
        return Held("MinIO", "MISSING: `make fetch` builds it")
    if not program.is_relative_to(stack.cache_dir):
        return Held("MinIO", f"the machine's own, {program}")
    return Held("MinIO", program.parent.name, (program.parent,))


def _nginx(stack: Stack) -> Held:
    program = debian.nginx(stack)
    if not program.exists():
        return Held("Nginx", "MISSING: `make up` unpacks it")
    told = subprocess.run([program, "-v"], capture_output=True, text=True).stderr
    version = told.rpartition("/")[2].strip() or "unknown"
    if not program.is_relative_to(stack.cache_dir):
        return Held("Nginx", f"{version}, the machine's own (Debian's nginx, libnginx-mod-http-js)")
    root = stack.cache_dir / program.relative_to(stack.cache_dir).parts[0]
    return Held("Nginx", f"{version}, with its JavaScript module", (root,))


def _layers(stack: Stack) -> Iterator[Held]:
    """What functions need beside the locked packages, as the provider has installed it."""
    for told in sorted((stack.cache_dir / state.LAYERS).glob("*/layer.json")):
        packages = json.loads(told.read_text(encoding="utf-8"))["packages"]
        listed = ", ".join(f"{name} {version}" for name, version in packages.items())
        yield Held("a function's own", listed, (told.parent,))


def _locked_packages() -> list[str]:
    pins = _LOCKED.findall(wheels.LOCK.read_text(encoding="utf-8"))
    listed = ", ".join(f"{name} {version}" for name, version in pins)
    indent = " " * 4
    return textwrap.wrap(
        listed,
        _COLUMNS,
        initial_indent=indent,
        subsequent_indent=indent,
        break_on_hyphens=False,
        break_long_words=False,
    )


def _size(it: Held) -> str:
    return f"{it.megabytes:.1f} MB" if it.paths else "-"


def _bytes(path: Path) -> int:
    """Of a file, or of all files below a folder."""
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(each.lstat().st_size for each in files if not each.is_dir())
