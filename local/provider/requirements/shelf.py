"""The layers on the disk: finished ones, the one that is being made, and which may go."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from local.machine import files

# Kept of layers that nobody uses now, so that the next deploy finds them.
MAX_BYTES = 8_000_000_000
_UNFINISHED = "unfinished-"


@dataclass(frozen=True)
class Layer:
    """A finished layer: a folder of packages, which comes before the shared ones."""

    folder: Path
    packages: dict[str, str]
    bytes: int

    @property
    def site(self) -> Path:
        return self.folder / "site"

    def __str__(self) -> str:
        return f"{self.folder.name}: {len(self.packages)} packages, {self.bytes / 1e6:.1f} MB"


class Shelf:
    """The layers in `folder`, which all providers of this user share."""

    def __init__(self, folder: Path, max_bytes: int = MAX_BYTES) -> None:
        self.folder = folder
        self._max_bytes = max_bytes
        self._held: dict[str, int] = {}  # descriptors, by digest

    def find(self, digest: str) -> Layer | None:
        """A finished layer. From now on no provider takes it away, until this one has ended."""
        self._hold(digest)
        try:
            told: dict[str, Any] = json.loads((self.folder / digest / "layer.json").read_text())
        except FileNotFoundError:
            return None
        return Layer(self.folder / digest, told["packages"], told["bytes"])

    @contextmanager
    def making(self, digest: str) -> Iterator[Path]:
        """Where a layer may be made: nobody else makes it there meanwhile.

        Raises:
            files.Busy: another provider is making this layer.
        """
        with files.lock(self._path(digest, "lock"), wait=False):
            yield self.folder / f"{_UNFINISHED}{digest}"

    def put(self, digest: str, workshop: Path, told: dict[str, Any]) -> Layer:
        """Put what was made in `workshop` into its place, whole."""
        self._hold(digest)
        made = workshop / "layer"
        size = size_of(made)
        files.write_json(made / "layer.json", {**told, "bytes": size})
        for path in made.rglob("*"):
            if path.is_file() and not path.is_symlink():
                path.chmod(path.stat().st_mode & 0o555)
        made.rename(self.folder / digest)
        self.prune()
        found = self.find(digest)
        if found is None:
            raise OSError(f"layer {digest} is gone as soon as it was made")
        return found

    def close(self) -> None:
        """Let others take away what this provider used."""
        for used in self._held.values():
            os.close(used)
        self._held.clear()

    def prune(self) -> None:
        """Remove what ended makers left, and beyond the budget unused layers, oldest first."""
        for path in self.folder.glob(f"{_UNFINISHED}*"):
            with suppress(files.Busy), files.lock(self._digest_lock(path), wait=False):
                remove(path)
        finished = sorted(self.folder.glob("*/layer.json"), key=self._used_at)
        sizes = {told.parent: int(json.loads(told.read_text())["bytes"]) for told in finished}
        too_many = sum(sizes.values()) - self._max_bytes
        for folder, size in sizes.items():
            if too_many > 0 and self._remove_unused(folder):
                too_many -= size

    def _hold(self, digest: str) -> None:
        if digest in self._held:
            return
        self.folder.mkdir(mode=0o755, parents=True, exist_ok=True)
        used = os.open(self._path(digest, "used"), os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        fcntl.flock(used, fcntl.LOCK_SH)
        os.utime(used)
        self._held[digest] = used

    def _remove_unused(self, folder: Path) -> bool:
        if folder.name in self._held:
            return False
        used = self._path(folder.name, "used")
        with used.open("a") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return False
            # Whoever looks for it meanwhile waits, and then makes it anew.
            remove(folder)
        return True

    def _used_at(self, told: Path) -> float:
        with suppress(FileNotFoundError):
            return self._path(told.parent.name, "used").stat().st_mtime
        return 0.0

    def _digest_lock(self, workshop: Path) -> Path:
        return self._path(workshop.name.removeprefix(_UNFINISHED), "lock")

    def _path(self, digest: str, kind: str) -> Path:
        return self.folder / f"{digest}.{kind}"


def size_of(folder: Path) -> int:
    """Bytes of all files below a folder, which may change meanwhile."""
    total = 0
    for where, _, names in os.walk(folder):
        for name in names:
            with suppress(OSError):
                total += os.lstat(os.path.join(where, name)).st_size
    return total


def empty(folder: Path) -> None:
    """Make a folder that holds nothing of what an earlier maker left there."""
    remove(folder)
    folder.mkdir(mode=0o700, parents=True)


def remove(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
