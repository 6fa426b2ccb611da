"""Looks at the machine as a process of a stack does: with its user, and where it is."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

# Told paths and processes; answers which it can read or write, look into or end.
_LOOK = """
import json, os, sys

def may(path, how):
    try:
        os.close(os.open(path, how | os.O_CLOEXEC | os.O_NONBLOCK))
    except OSError:
        return False
    return True

def is_listed(path):
    try:
        return bool(os.listdir(path) or True)
    except OSError:
        return False

def is_read(path):
    return not os.path.isdir(path) and may(path, os.O_RDONLY)

def may_end(pid):
    try:
        os.kill(pid, 0)
    except OSError:
        return False
    return True

told = json.load(sys.stdin)
print(json.dumps({
    "read": [p for p in told["paths"] if is_listed(p) or is_read(p)],
    "written": [p for p in told["paths"] if os.access(p, os.W_OK)],
    "environ": [p for p in told["pids"] if may(f"/proc/{p}/environ", os.O_RDONLY)
                and open(f"/proc/{p}/environ", "rb").read()],
    "ended": [p for p in told["pids"] if may_end(p)],
}))
"""


@dataclass(frozen=True)
class Owner:
    """Whose a process is."""

    user: int
    group: int
    groups: tuple[int, ...]
    capabilities: int


@dataclass(frozen=True)
class Seen:
    """What one user can read and write, and of which processes it can see the environment."""

    read: frozenset[str]
    written: frozenset[str]
    environ: frozenset[int]
    ended: frozenset[int]


def owner_of(pid: int) -> Owner:
    """Read what the kernel says of a process."""
    lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace").splitlines()
    told = {name: text.split() for name, _, text in (line.partition(":") for line in lines)}
    groups = tuple(int(text) for text in told["Groups"])
    effective = int(told["CapEff"][0], 16)
    return Owner(int(told["Uid"][1]), int(told["Gid"][1]), groups, effective)


def look(pid: int, paths: Sequence[Path], pids: Sequence[int]) -> Seen:
    """Try as the user of a process, from where it is, and with no more rights than it has."""
    owner = owner_of(pid)
    groups = ",".join(map(str, owner.groups))
    done = subprocess.run(
        [
            *("nsenter", f"--target={pid}", "--mount", "--wdns=/", "--"),
            *("setpriv", f"--reuid={owner.user}", f"--regid={owner.group}"),
            f"--groups={groups}" if groups else "--clear-groups",
            *("--bounding-set=-all", "--no-new-privs", "--"),
            *(os.path.realpath(sys.executable), "-I", "-S", "-c", _LOOK),
        ],
        input=json.dumps({"paths": [str(path) for path in paths], "pids": list(pids)}),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return Seen(**{name: frozenset(found) for name, found in json.loads(done.stdout).items()})
