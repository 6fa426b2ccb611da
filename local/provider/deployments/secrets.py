"""The secrets: one file each, given to a function only by name."""

from __future__ import annotations

import base64
import contextlib
import os
import re
import stat
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from local.provider.refusal import Refused
from pipeline.access import accounts
from pipeline.names import FUNCTIONS

# A name that is a file name, and that Kubernetes takes too: DNS labels, joined by dots.
LABEL = r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?"
NAME = re.compile(rf"(?=.{{1,253}}$){LABEL}(\.{LABEL})*")
# The key to /system is kept beside the functions' secrets, and is no function's business.
RESERVED_PREFIX = "basic-auth-"
# Nor are the logins of whoever is no function, and what the servers themselves read.
_OF_OTHERS = frozenset(
    {
        *("minio-access-key", "minio-secret-key", "kafka-broker", "kafka-logins", "redis-users"),
        *(
            accounts.secret_name(service, name)
            for service in accounts.SERVICES
            for name in (accounts.SETUP, *(account.name for account in accounts.ACCOUNTS))
            if name not in FUNCTIONS
        ),
    }
)


class Secrets:
    """The files in `folder`, and the copies of them that replicas read below `replicas_dir`."""

    def __init__(self, folder: Path, replicas_dir: Path) -> None:
        self.folder = folder
        self._replicas_dir = replicas_dir

    def names(self) -> list[str]:
        return sorted(path.name for path in self.folder.iterdir() if self.has(path.name))

    def has(self, name: str) -> bool:
        is_allowed = NAME.fullmatch(name) and not _is_reserved(name)
        return bool(is_allowed) and (self.folder / name).is_file()

    def create(self, name: str, value: bytes) -> None:
        check_name(name)
        if self.has(name):
            raise Refused(409, f"secret {name!r} exists already; PUT updates it")
        replace(self.folder / name, value, self.folder)

    def update(self, name: str, value: bytes) -> None:
        """Change a secret, also where running replicas read it."""
        self.check_exists(name)
        replace(self.folder / name, value, self.folder)
        for copy in self._replicas_dir.glob(f"*/secrets/{name}"):
            replace(copy, value, self._replicas_dir)

    def remove(self, name: str) -> None:
        self.check_exists(name)
        (self.folder / name).unlink()

    def check_exists(self, name: str) -> None:
        check_name(name)
        if not self.has(name):
            raise Refused(404, f"secret {name!r} does not exist; there are {self.names()}")

    def give(self, names: Iterable[str], folder: Path) -> None:
        """Put these secrets, and no others, into a new folder that only the owner may read."""
        folder.mkdir(mode=0o700)
        for name in names:
            replace(folder / name, (self.folder / name).read_bytes(), folder.parent)

    def authorization(self) -> str:
        """Return the header of whoever may use /system; raise OSError where a file is missing."""
        files = (self.folder / f"{RESERVED_PREFIX}{name}" for name in ("user", "password"))
        login = ":".join(file.read_text().strip() for file in files)
        return f"Basic {base64.b64encode(login.encode()).decode()}"


def check_name(name: str) -> None:
    if not NAME.fullmatch(name):
        raise Refused(
            400,
            f"secret name {name!r} is not allowed: use lower-case letters, digits, hyphens and"
            " dots, with a letter or digit at both ends of what lies between dots",
        )
    if _is_reserved(name):
        what = f"{RESERVED_PREFIX}*" if name.startswith(RESERVED_PREFIX) else "it"
        raise Refused(400, f"secret name {name!r} is not allowed: {what} is reserved")


def _is_reserved(name: str) -> bool:
    return name.startswith(RESERVED_PREFIX) or name in _OF_OTHERS


def value_of(body: dict[str, Any]) -> bytes:
    """Return the value that a request gives: base64 in rawValue, else text in value."""
    raw, text = body.get("rawValue"), body.get("value", "")
    if not isinstance(raw or "", str) or not isinstance(text, str):
        raise Refused(400, "value must be a text, and rawValue a text in base64")
    try:
        return base64.b64decode(raw, validate=True) if raw else text.encode()
    except ValueError as error:  # also of characters beyond ASCII
        raise Refused(400, f"rawValue is not base64: {error}") from error


def replace(path: Path, value: bytes, workshop: Path) -> None:
    """Write a private file whole or not at all; `workshop` is on the same file system.

    Whoever might read the one in whose place it comes may read it, too.
    """
    unfinished = workshop / f".{path.name[:200]}.new"
    unfinished.unlink(missing_ok=True)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    with open(os.open(unfinished, flags, 0o600), "wb") as file:
        file.write(value)
        with contextlib.suppress(FileNotFoundError):
            before = path.lstat()
            os.fchown(file.fileno(), before.st_uid, before.st_gid)
            os.fchmod(file.fileno(), stat.S_IMODE(before.st_mode))
    unfinished.replace(path)
