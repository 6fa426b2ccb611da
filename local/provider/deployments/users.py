"""A user of its own for each function: which number, and what belongs to it on the disk."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Iterable
from pathlib import Path

from local.machine import files
from local.machine.users import User
from local.provider.refusal import Refused


class Users:
    """Gives functions their users: the same one as long as a function is there.

    Args:
        numbers: of users; none: functions run as the provider does.
        file: keeps who has which, by its place among them.
    """

    def __init__(self, numbers: range, file: Path) -> None:
        self._numbers = numbers
        self._file = file
        self._places: dict[str, int] = {}
        self._next = 0
        if numbers and file.exists():
            told = json.loads(file.read_text(encoding="utf-8"))
            self._places, self._next = told["places"], told["next"]

    def of(self, function: str) -> User | None:
        """The user of a function, from its first deployment on; None where there are none.

        Raises:
            Refused: every user is another function's.
        """
        if not self._numbers:
            return None
        if function not in self._places:
            self._places[function] = self._free_place()
            self._write()
        return User(self._numbers[self._places[function]])

    def keep(self, functions: Iterable[str]) -> None:
        """Let other functions have the users of all but these: they are gone, with all they had."""
        gone = self._places.keys() - set(functions)
        for function in gone:
            del self._places[function]
        if gone:
            self._write()

    def give_back(self, function: str) -> None:
        """Let another function have the user of one that is gone."""
        self.keep(self._places.keys() - {function})

    def _free_place(self) -> int:
        """The one that was free for longest: what its last function left in /tmp is old by then."""
        taken, count = set(self._places.values()), len(self._numbers)
        for place in ((self._next + n) % count for n in range(count)):
            if place not in taken:
                self._next = (place + 1) % count
                return place
        raise Refused(
            507,
            f"{count} functions have a user each, and there are no more on one machine: remove one",
        )

    def _write(self) -> None:
        files.write_json(self._file, {"places": self._places, "next": self._next})


def give_version(folder: Path, user: User | None, *, is_read_only: bool) -> None:
    """Let a function's user, and no other, read its working copy; and write it, or nobody.

    Costs nothing where it is so already.
    """
    found = folder.lstat()
    if user is None or (found.st_gid == user.number and not found.st_mode & 0o007):
        return
    owner = 0 if is_read_only else user.number
    for path in (*folder.rglob("*"), folder):  # the folder last: whoever is interrupted begins anew
        found = path.lstat()
        # Of a file with another name somewhere else nobody knows what that is.
        if path.is_symlink() or (path.is_file() and found.st_nlink > 1):
            continue
        mode = stat.S_IMODE(found.st_mode)
        os.chown(path, owner, user.number, follow_symlinks=False)
        path.chmod(mode & ~0o027 | (mode & 0o500) >> 3)


def give_replica(folder: Path, user: User | None) -> None:
    """Let a replica have its own folder, but for the secrets in it: these it only reads.

    The provider writes there later, as root: what is another's to replace it must not follow.
    """
    if user is None:
        return
    number = user.number
    secrets = folder / "secrets"
    for path in (*secrets.iterdir(), secrets):
        os.chown(path, 0, number, follow_symlinks=False)
        path.chmod(0o750 if path == secrets else 0o440)
    os.chown(folder / "tmp", number, number)
    os.chown(folder, 0, number)
    # Sticky: what is not its own it can neither remove nor rename.
    folder.chmod(0o1770)
