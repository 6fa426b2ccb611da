"""Which processes listen on a TCP port of 127.0.0.1, told by the kernel's own tables."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterable, Iterator
from pathlib import Path

from local.machine import processes

_LISTENING = "0A"


def taken(ports: dict[str, int]) -> list[str]:
    """Name every port that cannot be had, and who has it."""
    return [
        f"{name.upper()}_PORT {port} is taken by {_owner(port)}"
        for name, port in ports.items()
        if not _is_free(port)
    ]


def free_port() -> int:
    """Find a port that nobody has now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def listeners(port: int, likely: int | None = None) -> list[int]:
    """Tell the processes that listen on a port; not those that this user may not look into.

    Args:
        likely: looked into first, and alone if it is one of them.
    """
    inodes = set(_listening_inodes(port))
    if not inodes:
        return []
    if likely is not None and _has_any(likely, inodes):
        return [likely]
    return [pid for pid in processes.pids() if _has_any(pid, inodes)]


def listened_to(pids: Iterable[int]) -> set[int]:
    """Tell the TCP ports, on any address, that one of these processes listens on."""
    by_inode = {inode: port for port, inode in _listening()}
    found = (_socket_inodes(Path(f"/proc/{pid}/fd")) for pid in pids)
    return {by_inode[inode] for inodes in found for inode in inodes if inode in by_inode}


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        # As servers do: a connection of an ended server still in TIME_WAIT takes no port.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
            probe.listen()
        except OSError:
            return False
    return True


def _owner(port: int) -> str:
    for pid in listeners(port):
        return f"process {pid} ({processes.command_line(pid)[:120]})"
    return "a process that this user may not look into"


def _listening_inodes(port: int) -> Iterator[str]:
    return (inode for each, inode in _listening() if each == port)


def _listening() -> Iterator[tuple[int, str]]:
    """Yield port and inode of every socket that listens."""
    for table in (Path("/proc/net/tcp"), Path("/proc/net/tcp6")):
        if not table.exists():
            continue
        for line in table.read_text(encoding="ascii").splitlines()[1:]:
            columns = line.split()
            if columns[3] == _LISTENING:
                yield int(columns[1].rpartition(":")[2], 16), columns[9]


def _has_any(pid: int, inodes: set[str]) -> bool:
    return not inodes.isdisjoint(_socket_inodes(Path(f"/proc/{pid}/fd")))


def _socket_inodes(folder: Path) -> Iterator[str]:
    try:
        descriptors = list(folder.iterdir())
    except OSError:  # it has ended, or belongs to another user
        return
    for descriptor in descriptors:
        try:
            target = os.readlink(descriptor)
        except OSError:  # closed since it was listed
            continue
        if target.startswith("socket:["):
            yield target.removeprefix("socket:[").removesuffix("]")
