"""Whose the files of a stack are: read by one user, owned by one, or root's."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from local.machine.users import User
from local.services.isolation import accounts
from local.services.isolation.record import Isolation
from local.services.settings import Stack

_TRAVERSED, _PRIVATE = 0o711, 0o700


def give_all(stack: Stack, isolation: Isolation, *, is_new: bool) -> None:
    """Give every user what is its own, and let it come there.

    Args:
        is_new: others, or root, may have written what is in the users' folders since.
    """
    for folder in (
        stack.state_dir, stack.secrets_dir, stack.data_dir(""), stack.state_dir / "homes",
        stack.replicas_dir.parent,
    ):  # fmt: skip
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(_TRAVERSED)
    for folder in (stack.run_dir, stack.logs_dir, stack.build_dir):
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(_PRIVATE)
    for name in accounts.USERS:
        give(stack, isolation, name, is_new=is_new)


def give(stack: Stack, isolation: Isolation, name: str, *, is_new: bool = False) -> None:
    """Give a user what is its own, also what it reads that was written by root since."""
    if (user := isolation.user(name)) is None:
        return
    his = accounts.belongings(stack, name)
    for folder in his.owns:
        folder.mkdir(parents=True, exist_ok=True)
        if is_new or folder.lstat().st_uid != user.number:
            _own(folder, user.number)
    for secret in his.secrets:
        _let_read(stack.secrets_dir / secret, user.number)
    for path in his.reads:
        for each in _with_all_below(path, his.owns):
            _let_read(each, user.number)


def log_of(path: Path, user: User | None) -> None:
    """Let a process open its own log anew: Nginx does."""
    if user:
        os.chown(path, user.number, user.number)
        path.chmod(0o600)


def _own(folder: Path, number: int) -> None:
    """Have a tree belong to a user."""
    for path in _with_all_below(folder, ()):
        found = path.lstat()
        # Of a file with another name somewhere else nobody knows what that is.
        if stat.S_ISREG(found.st_mode) and found.st_nlink > 1:
            continue
        if path != folder:
            os.lchown(path, number, number)
    # The last one: whoever is interrupted begins anew.
    folder.chmod(_PRIVATE)
    os.lchown(folder, number, number)


def _let_read(path: Path, number: int) -> None:
    """Let a user's group, and nobody else, read what is root's."""
    try:
        found = path.lstat()
    except FileNotFoundError:
        return
    if stat.S_ISLNK(found.st_mode):
        return
    mode = stat.S_IMODE(found.st_mode)
    wanted = mode & 0o6700 | (0o050 if stat.S_ISDIR(found.st_mode) else 0o040)
    if (found.st_uid, found.st_gid) != (0, number):
        os.chown(path, 0, number)
    if mode != wanted or found.st_gid != number:  # a change of group takes setgid away
        path.chmod(wanted)


def _with_all_below(folder: Path, apart: tuple[Path, ...]) -> Iterator[Path]:
    """A folder and what is in it, but not what is in one of those apart."""
    yield folder
    for where, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if Path(where, name) not in apart]
        yield from (Path(where, name) for name in (*folders, *names))
