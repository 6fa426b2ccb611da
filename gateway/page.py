"""Puts the page's files where Nginx serves them from."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path

_SOURCE = Path(__file__).parent / "web"
# What Nginx knows a type of; an editor's own files beside them are none of the page's.
_KINDS = {".html", ".css", ".js", ".svg"}
# For everybody: nobody knows here who Nginx' workers are.
_FILE = 0o644
_FOLDER = 0o755
# So many hexadecimal digits of seconds are eight years, which every file system can keep.
_DIGITS_OF_TIME = 7


def put(target: Path, fill_in: Callable[[str, str], str]) -> None:
    """Write each file of the page whole, and remove what an older page had.

    Args:
        fill_in: given a file's name and its text, puts values in the place of names in HTML.

    Raises:
        ValueError: as `fill_in` raises it.
    """
    paths = [path for path in _SOURCE.rglob("[!.]*") if path.suffix in _KINDS and path.is_file()]
    names = {path.relative_to(_SOURCE) for path in paths}
    for name in names:
        text = (_SOURCE / name).read_text(encoding="utf-8")
        for folder in reversed(name.parents):
            (target / folder).mkdir(exist_ok=True)
            (target / folder).chmod(_FOLDER)
        _write(target / name, fill_in(str(name), text) if name.suffix == ".html" else text)
    for path in target.rglob("*"):
        if path.is_file() and path.relative_to(target) not in names:
            path.unlink()


def _write(path: Path, text: str) -> None:
    """Replace a file in one step, and date it by its content.

    Nginx makes an ETag of time and size: another content has another one, whenever it was written,
    and the same content the same one on every gateway.
    """
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    unfinished.write_text(text, encoding="utf-8")
    unfinished.chmod(_FILE)
    seconds = int(hashlib.sha256(text.encode()).hexdigest()[:_DIGITS_OF_TIME], 16)
    os.utime(unfinished, (seconds, seconds))
    unfinished.rename(path)
