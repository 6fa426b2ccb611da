"""Puts the pages' files where Nginx serves them from."""

from __future__ import annotations

import gzip
import hashlib
import os
from collections.abc import Callable, Mapping
from pathlib import Path

_SOURCE = Path(__file__).parent / "web"
# What Nginx knows a type of; an editor's own files beside them are none of the page's.
_KINDS = {".html", ".css", ".js", ".svg"}
# For everybody: nobody knows here who Nginx' workers are.
_FILE = 0o644
_FOLDER = 0o755
# So many hexadecimal digits of seconds are eight years, which every file system can keep.
_DIGITS_OF_TIME = 7
# Packed once, here: anybody may ask for these, and packing them each time costs up to 30 ms of CPU.
_LARGE_BYTES = 100_000


def put(
    target: Path, fill_in: Callable[[str, str], str], made: Mapping[str, str] | None = None
) -> None:
    """Write each file of the pages whole, and remove what older pages had.

    Args:
        fill_in: given a file's name and its text, puts values in the place of names in HTML.
        made: texts of files that are not in the checkout, by their names.

    Raises:
        ValueError: as `fill_in` raises it.
    """
    paths = [path for path in _SOURCE.rglob("[!.]*") if path.suffix in _KINDS and path.is_file()]
    texts = {path.relative_to(_SOURCE): path.read_text(encoding="utf-8") for path in paths}
    for name, text in texts.items():
        if name.suffix == ".html":
            texts[name] = fill_in(str(name), text)
    texts |= {Path(name): text for name, text in (made or {}).items()}
    files = {name: text.encode() for name, text in texts.items()}
    for name, data in list(files.items()):
        if len(data) >= _LARGE_BYTES:
            files[name.with_name(f"{name.name}.gz")] = gzip.compress(data, mtime=0)
    for name, data in files.items():
        for folder in reversed(name.parents):
            (target / folder).mkdir(exist_ok=True)
            (target / folder).chmod(_FOLDER)
        _write(target / name, data)
    for path in target.rglob("*"):
        if path.is_file() and path.relative_to(target) not in files:
            path.unlink()


def _write(path: Path, data: bytes) -> None:
    """Replace a file in one step, and date it by its content.

    Nginx makes an ETag of time and size: another content has another one, whenever it was written,
    and the same content the same one on every gateway.
    """
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    unfinished.write_bytes(data)
    unfinished.chmod(_FILE)
    seconds = int(hashlib.sha256(data).hexdigest()[:_DIGITS_OF_TIME], 16)
    os.utime(unfinished, (seconds, seconds))
    unfinished.rename(path)
