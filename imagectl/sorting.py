"""Lines in order, more than memory holds, and how sorted streams are compared side by side."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator
from pathlib import Path
from tempfile import NamedTemporaryFile

# A line is about 300 bytes: some 15 MB, and a million lines are 20 files.
_LINES_IN_MEMORY = 50_000


class Sorted:
    """Collects lines in any order; gives them back sorted, equal ones once."""

    def __init__(self, folder: Path, lines_in_memory: int = _LINES_IN_MEMORY) -> None:
        self._folder = folder
        self._most = lines_in_memory
        self._lines: set[str] = set()
        self._files: list[Path] = []

    def add(self, line: str) -> None:
        """Take a line; it must not hold a line's end."""
        self._lines.add(line)
        if len(self._lines) >= self._most:
            self._spill()

    def __iter__(self) -> Iterator[str]:
        before = None
        for line in heapq.merge(sorted(self._lines), *map(_read, self._files)):
            if line != before:
                yield line
            before = line

    def _spill(self) -> None:
        with NamedTemporaryFile("w", dir=self._folder, delete=False, encoding="utf-8") as file:
            file.writelines(f"{line}\n" for line in sorted(self._lines))
        self._files.append(Path(file.name))
        self._lines = set()


class Cursor:
    """Walks a sorted stream beside others that are asked for ever later lines."""

    def __init__(self, lines: Iterable[str]) -> None:
        self._lines = iter(lines)
        self._line: str | None = next(self._lines, None)

    def holds(self, line: str) -> bool:
        """Tell whether the stream has this line; those before it are passed."""
        return self._at(line) == line

    def begins(self, prefix: str) -> bool:
        """Tell whether the stream has a line that begins so; those before it are passed."""
        return (self._at(prefix) or "").startswith(prefix)

    def before(self, end: str | None) -> Iterator[str]:
        """Take the lines before this one, or all that are left."""
        while self._line is not None and (end is None or self._line < end):
            line = self._line
            self._advance()
            yield line

    def _at(self, line: str) -> str | None:
        while self._line is not None and self._line < line:
            self._advance()
        return self._line

    def _advance(self) -> None:
        last, self._line = self._line, next(self._lines, None)
        if self._line is not None and last is not None and self._line < last:
            raise RuntimeError(f"{self._line} comes after {last}: the stream is not sorted")


def _read(path: Path) -> Iterator[str]:
    with path.open(encoding="utf-8") as file:
        for line in file:
            yield line.removesuffix("\n")
