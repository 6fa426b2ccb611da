"""A copy of this checkout with bugs planted in it, to see whether they are found."""

from __future__ import annotations

import shutil
import subprocess
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from tests.stack import ROOT


@dataclass(frozen=True)
class Bug:
    """One text of one file, and what a careless hand would make of it."""

    file: str
    right: str
    wrong: str


def with_bugs(folder: Path, *bugs: Bug) -> Path:
    """Copy what git knows of this checkout, then change each text, which must be there once."""
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    ).stdout.splitlines()  # fmt: skip
    for name in listed:
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        with suppress(FileNotFoundError):  # removed, or another test's for a moment
            shutil.copy2(ROOT / name, target)
    for bug in bugs:
        text = (folder / bug.file).read_text(encoding="utf-8")
        assert text.count(bug.right) == 1, f"{bug.file} holds {text.count(bug.right)} × {bug.right}"
        (folder / bug.file).write_text(text.replace(bug.right, bug.wrong), encoding="utf-8")
    return folder
