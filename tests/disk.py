"""A disk of its own, so small that a test can fill it."""

from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_CHUNK = bytes(4096)
_REFILL_SECONDS = 0.02


class SmallDisk:
    """A file system in memory, mounted for one test."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._filler = folder / "filler"

    def fill(self) -> None:
        """Leave no room for a single byte."""
        with suppress(OSError), self._filler.open("ab", buffering=0) as file:
            while file.write(_CHUNK):
                pass

    def is_full(self) -> bool:
        return os.statvfs(self.folder).f_bavail == 0

    def make_room(self) -> None:
        self._filler.unlink()

    @contextmanager
    def filled(self) -> Iterator[None]:
        """Keep it full, whatever is given up meanwhile; make room also after a failure."""
        is_over = threading.Event()

        def refill() -> None:
            while not is_over.wait(_REFILL_SECONDS):
                self.fill()

        self.fill()
        refilling = threading.Thread(target=refill, name="filled")
        refilling.start()
        try:
            yield
        finally:
            is_over.set()
            refilling.join()
            self.make_room()


@contextmanager
def small_disk(folder: Path, kilobytes: int) -> Iterator[SmallDisk]:
    """Mount a disk at a folder; fails, and says so, where that is not allowed."""
    assert os.geteuid() == 0, "a disk that can be full takes a mount: this test needs root"
    folder.mkdir(parents=True, exist_ok=True)
    mount = ["mount", "-t", "tmpfs", "-o", f"size={kilobytes}k", "tmpfs", str(folder)]
    subprocess.run(mount, check=True)
    try:
        yield SmallDisk(folder)
    finally:
        # Lazily: what still has a file open there is the test's to end, before or after.
        subprocess.run(["umount", "--lazy", str(folder)], check=True)
