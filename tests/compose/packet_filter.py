"""What a Docker daemon changes of this machine's network, put back when it has ended."""

from __future__ import annotations

import shutil
import subprocess
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

SBIN = "/usr/sbin:/sbin"
_FORWARD = Path("/proc/sys/net/ipv4/ip_forward")
_CHAINS = {
    "filter": ("INPUT", "FORWARD", "OUTPUT"),
    "nat": ("PREROUTING", "INPUT", "OUTPUT", "POSTROUTING"),
}


@dataclass(frozen=True)
class PacketFilter:
    """The rules of one moment, as iptables-save prints them, and whether packets are forwarded."""

    rules: str
    forwarding: str

    @classmethod
    def now(cls) -> PacketFilter:
        """Read them."""
        rules = _run("iptables-save") or ""
        missing = [_empty(table) for table in _CHAINS if f"*{table}\n" not in rules]
        return cls("".join([rules, *missing]), _FORWARD.read_text())

    def restore(self) -> None:
        """Put them back, and remove the bridge that every daemon makes."""
        _run("iptables-restore", text=self.rules)
        _run("ip", "link", "delete", "docker0")
        with suppress(OSError):
            _FORWARD.write_text(self.forwarding)


def _empty(table: str) -> str:
    chains = "".join(f":{chain} ACCEPT [0:0]\n" for chain in _CHAINS[table])
    return f"*{table}\n{chains}COMMIT\n"


def _run(name: str, *words: str, text: str | None = None) -> str | None:
    """Run a command of root's and return what it printed; None where it fails or there is none."""
    command = shutil.which(name, path=SBIN)
    if command is None:
        return None
    done = subprocess.run([command, *words], input=text, capture_output=True, text=True)
    return done.stdout if done.returncode == 0 else None
