"""What processes listen on, told by the kernel's tables; and where a stack's processes are."""

from __future__ import annotations

import ipaddress
import os
import socket
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from local.machine import processes

# By table: its family, and the state in which a socket takes what comes from anywhere.
_TABLES = {
    "tcp": (socket.AF_INET, "0A"),
    "tcp6": (socket.AF_INET6, "0A"),
    "udp": (socket.AF_INET, "07"),
    "udp6": (socket.AF_INET6, "07"),
}


@dataclass(frozen=True)
class Listening:
    """One socket that listens."""

    kind: str
    address: str
    port: int
    inode: str

    @property
    def is_here(self) -> bool:
        """Whether only this machine reaches it."""
        found = ipaddress.ip_address(self.address)
        mapped = getattr(found, "ipv4_mapped", None)
        return (mapped or found).is_loopback


def of_stack(state_dir: Path) -> set[int]:
    """The processes of a stack: in the session of a recorded one, or with a home in its folder."""
    leaders = {each.pid for each in processes.recorded(state_dir / "run").values()}
    return {pid for pid in processes.pids() if _is_in(pid, leaders, state_dir)}


def listening(pids: Iterable[int]) -> set[Listening]:
    """The sockets that any of these processes listens on."""
    inodes = {inode for pid in pids for inode in _inodes(pid)}
    return {each for each in _all() if each.inode in inodes}


def _is_in(pid: int, leaders: set[int], state_dir: Path) -> bool:
    try:
        return os.getsid(pid) in leaders or processes.has_home(pid, state_dir)
    except OSError:  # it has ended
        return False


def _inodes(pid: int) -> Iterator[str]:
    try:
        found = [os.readlink(each) for each in Path(f"/proc/{pid}/fd").iterdir()]
    except OSError:  # it, or a file of it, is gone
        return
    for target in found:
        if target.startswith("socket:["):
            yield target.removeprefix("socket:[").removesuffix("]")


def _all() -> Iterator[Listening]:
    for kind, (family, state) in _TABLES.items():
        table = Path(f"/proc/net/{kind}")
        for line in table.read_text(encoding="ascii").splitlines()[1:] if table.exists() else ():
            columns = line.split()
            if columns[3] == state:
                host, _, port = columns[1].partition(":")
                yield Listening(kind, _address(family, host), int(port, 16), columns[9])


def _address(family: int, digits: str) -> str:
    """Read what the kernel prints: words of four bytes, each as this machine has it."""
    raw = bytes.fromhex(digits)
    words = [raw[at : at + 4][::-1] for at in range(0, len(raw), 4)]
    return socket.inet_ntop(family, b"".join(words))
