"""The folder of keys: one small file for each, which every gateway reads at every request.

So a change is in force with the next request, on all gateways that see the folder. A file is
replaced in one step, and never holds the key.
"""

from __future__ import annotations

import fcntl
import os
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

from imagectl.keys.record import (
    DIGEST_PATTERN,
    LIVE,
    MAX_BYTES,
    MalformedRecord,
    Record,
    digest_of,
    parse,
)
from pipeline.errors import NotFound, Rejected, SettingsError

# Whatever is asked of all keys reads all of them.
MOST_KEYS = 10_000
# Whoever owns the folder; its group, too, as the gateway may be another user of that group.
_MODE = 0o640
_FOLDER_MODE = 0o700
_KEY_BYTES = 32


def keys_dir_of(environment: Mapping[str, str], state_dir: Path) -> tuple[Path, Path]:
    """Where the keys are, and where gateways note that one was used."""
    keys = environment.get("KEYS_DIR") or state_dir / "keys"
    used = environment.get("KEYS_USED_DIR") or state_dir / "keys-used"
    return Path(keys), Path(used)


class KeyFolder:
    """The keys of all gateways that read this folder."""

    def __init__(self, path: Path, used: Path) -> None:
        self._path = path
        self._used = used

    def make(self) -> None:
        """Have the folder; one that is there keeps its owner, group and mode."""
        if not self._path.exists():
            self._path.mkdir(parents=True, mode=_FOLDER_MODE)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Let nobody else change keys meanwhile.

        Raises:
            SettingsError: there is no such folder, or it may not be written to.
        """
        try:
            lock = os.open(self._path / ".lock", os.O_RDWR | os.O_CREAT, _MODE)
        except OSError as error:
            raise self._unusable(error) from error
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
        finally:
            os.close(lock)

    def all(self) -> tuple[list[Record], list[str]]:
        """Read every record, the oldest first, and tell which files are none, and why.

        Raises:
            SettingsError: the folder cannot be read.
        """
        try:
            names = sorted(os.listdir(self._path))
        except OSError as error:
            raise self._unusable(error) from error
        found, wrong = [], []
        for name in names:
            if DIGEST_PATTERN.fullmatch(name):
                try:
                    if record := self.get(name):
                        found.append(record)
                except MalformedRecord as error:
                    wrong.append(f"{self._path / name} is no record of a key: {error}")
        return sorted(found, key=lambda each: (each.created, each.digest)), wrong

    def get(self, digest: str) -> Record | None:
        """Read one record; None if there is no such key.

        Raises:
            MalformedRecord: the file is none.
            SettingsError: it cannot be read.
        """
        try:
            with (self._path / digest).open(encoding="utf-8", errors="replace") as file:
                text = file.read(MAX_BYTES + 1)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise self._unusable(error) from error
        if len(text) > MAX_BYTES:
            raise MalformedRecord(f"it has more than {MAX_BYTES} characters")
        return parse(digest, text)

    def create(self, record: Record) -> tuple[str, Record]:
        """Make a key of which this is to be known, whatever digest that names.

        Returns:
            The key, which is nowhere else, and its record.

        Raises:
            Rejected: there are as many as there may be.
        """
        known, _ = self.all()
        if len(known) >= MOST_KEYS:
            raise Rejected(
                f"there are {len(known)} keys; {MOST_KEYS} may be kept, revoked ones included:"
                f" remove files of those from {self._path}",
                found=len(known),
                allowed=MOST_KEYS,
            )
        ids = {each.id for each in known}
        while True:
            key = secrets.token_urlsafe(_KEY_BYTES)
            made = replace(record, digest=digest_of(key))
            if made.id not in ids:
                self.write(made)
                return key, made

    def write(self, record: Record) -> None:
        """Replace what is known of a key, for good: a revoked one must not come back.

        Raises:
            SettingsError: it cannot be written.
        """
        try:
            replace_file(self._path / record.digest, record.encode(), _MODE)
        except OSError as error:
            raise self._unusable(error) from error

    def called(self, name: str, now: float) -> list[Record]:
        """Find the key of this id, or all live ones of this name.

        Raises:
            NotFound: there is none.
        """
        known, _ = self.all()
        by_id = [each for each in known if each.id == name]
        by_name = [each for each in known if each.name == name and each.state(now) == LIVE]
        if not by_id and not by_name:
            raise NotFound(
                f"no key has the id {name!r}, and no live one that name; `imagectl keys list`"
                " tells which there are"
            )
        return by_id or by_name

    def last_used(self, record: Record) -> int | None:
        """Tell when a key was used last, give or take a minute; None: not yet."""
        try:
            return int((self._used / record.digest).stat().st_mtime)
        except OSError:
            return None

    def _unusable(self, error: OSError) -> SettingsError:
        return SettingsError(
            f"the keys in {self._path} cannot be read or written: {error.strerror or error};"
            " STATE_DIR or KEYS_DIR says where they are, and the stack's start makes the folder"
        )


def replace_file(path: Path, text: str, mode: int) -> None:
    """Put a text in a file's place in one step, for good: it is on the disk, or nothing is new."""
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
        with open(descriptor, "w", encoding="utf-8") as file:
            os.fchmod(file.fileno(), mode)
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        unfinished.rename(path)
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError:
        with suppress(OSError):
            unfinished.unlink(missing_ok=True)
        raise
