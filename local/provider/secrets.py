"""The secrets: one file each, given to a function only by name."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

# A name that is a file name, and that Kubernetes takes too.
NAME = re.compile(r"[a-z0-9]([-.a-z0-9]{0,251}[a-z0-9])?")
# The key to /system is kept beside the functions' secrets, and is no function's business.
RESERVED_PREFIX = "basic-auth-"


class Secrets:
    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def names(self) -> list[str]:
        return sorted(path.name for path in self.folder.iterdir() if self.has(path.name))

    def has(self, name: str) -> bool:
        is_allowed = NAME.fullmatch(name) and not name.startswith(RESERVED_PREFIX)
        return bool(is_allowed) and (self.folder / name).is_file()

    def give(self, names: Iterable[str], folder: Path) -> None:
        """Put these secrets, and no others, into a new folder that only the owner may read."""
        folder.mkdir(mode=0o700)
        for name in names:
            target = folder / name
            target.touch(mode=0o600)
            target.write_bytes((self.folder / name).read_bytes())

    def basic_auth(self) -> tuple[str, str]:
        """Return user and password of /system; raise OSError where a file is missing."""
        user, password = ((self.folder / f"{RESERVED_PREFIX}{x}") for x in ("user", "password"))
        return user.read_text().strip(), password.read_text().strip()
