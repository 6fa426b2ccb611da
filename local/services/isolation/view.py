"""How users reach what lies in folders that they may not enter: a mount namespace of the stack's.

Below each such folder, as /root or a folder for temporary files, they see what they need at its own
path, and nothing else; to all others the folder stays as it is. Only root may do that.

Source: mount_namespaces(7), mount(2).
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

_CLONE_NEWNS = 0x00020000
_MS_BIND, _MS_REC, _MS_SLAVE = 0x1000, 0x4000, 1 << 19
_ANYBODY_ENTERS = 0o001

_libc = ctypes.CDLL(None, use_errno=True)


def blocked(path: Path) -> Path | None:
    """Tell the uppermost folder above a path that others may not enter."""
    above = reversed(path.parents)
    return next((each for each in above if not each.stat().st_mode & _ANYBODY_ENTERS), None)


def everywhere(paths: Iterable[Path]) -> list[Path]:
    """Add where links lead; what is not there is left out."""
    found = {one for path in paths if path.exists() for one in (path.absolute(), path.resolve())}
    return sorted(found, key=lambda path: (len(path.parts), path))


def open_view(paths: Iterable[Path]) -> int | None:
    """Make the namespace, and return a descriptor that keeps it; None where none is needed.

    Call this before any thread is started.

    Raises:
        OSError: it cannot be made; the text says why.
    """
    wanted = everywhere(paths)
    if not any(map(blocked, wanted)):
        return None
    told, tell = os.pipe()
    may_end, let_end = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(told)
        os.close(let_end)
        _make_and_wait(wanted, tell, may_end)
    os.close(tell)
    os.close(may_end)
    try:
        error = _all_of(told)
        if error:
            raise OSError(error)
        return os.open(f"/proc/{child}/ns/mnt", os.O_RDONLY | os.O_CLOEXEC)
    finally:
        os.close(let_end)
        os.waitpid(child, 0)


def _make_and_wait(wanted: list[Path], tell: int, may_end: int) -> None:
    """Never returns: the child ends here, when its parent has what it needs of it."""
    os.umask(0o022)
    try:
        make(wanted)
        os.close(tell)
        os.read(may_end, 1)
    except BaseException as error:
        os.write(tell, str(error).encode())
    finally:
        os._exit(0)


def make(wanted: list[Path]) -> None:
    """Put this process into a namespace in which others reach all of these paths.

    Raises:
        OSError: it may not, or cannot.
    """
    _check(_libc.unshare(_CLONE_NEWNS), "a mount namespace cannot be made")
    # What is mounted outside later is seen in here, and nothing of ours is seen outside.
    _mount(None, Path("/"), _MS_SLAVE | _MS_REC)
    opened = {path: os.open(path, os.O_PATH | os.O_CLOEXEC) for path in wanted}
    while folder := next(_blocked_ones(wanted), None):
        below = [path for path in wanted if folder in path.parents]
        _mount("tmpfs", folder, 0, "tmpfs", "mode=0711,size=64k")
        for path in below:
            if not path.exists():  # one that lies in another is there with it
                _put(path, opened[path])
    for descriptor in opened.values():
        os.close(descriptor)


def _blocked_ones(paths: list[Path]) -> Iterator[Path]:
    found = {folder for path in paths if (folder := blocked(path))}
    return iter(sorted(found, key=lambda folder: len(folder.parts)))


def _put(path: Path, descriptor: int) -> None:
    source = Path(f"/proc/self/fd/{descriptor}")
    path.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        path.mkdir()
    else:
        path.touch()
    _mount(str(source), path, _MS_BIND | _MS_REC)


def _mount(source: str | None, target: Path, flags: int, kind: str = "", data: str = "") -> None:
    texts = [text.encode() if text else None for text in (source or "", str(target), kind)]
    done = _libc.mount(*texts, ctypes.c_ulong(flags), data.encode() or None)
    _check(done, f"nothing can be mounted at {target}")


def _check(done: int, what: str) -> None:
    if done:
        number = ctypes.get_errno()
        raise OSError(f"{what}: {os.strerror(number)}")


def _all_of(descriptor: int) -> str:
    with open(descriptor, encoding="utf-8", errors="replace") as file:
        return file.read()
