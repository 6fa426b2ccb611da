"""How a function's limits.memory is enforced: by a cgroup where one can be had, else by rlimit."""

from __future__ import annotations

import contextlib
import hashlib
import logging
import re
import subprocess
from pathlib import Path

from local.provider.refusal import Refused

logger = logging.getLogger(__name__)

QUANTITY = re.compile(
    r"([0-9]{1,15}(?:\.[0-9]{1,9})?)(|k|M|G|T|Ki|Mi|Gi|Ti)"
)  # as Kubernetes writes it
UNITS = {"": 1, "k": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}
UNITS |= {f"{letter}i": 1024**power for power, letter in enumerate("KMGT", start=1)}
LEAST_BYTES = 4 * 1024 * 1024
# glibc reserves this for each thread. The usual 8 MiB would count in full, though hardly touched.
STACK_BYTES = 1024 * 1024
ENTER = 'echo 0 > "$0" && exec "$@"'  # a shell that moves itself, then becomes the function
PROBE_SECONDS = 5


def in_bytes(quantity: str) -> int:
    """Read a limit such as 64Mi; raise Refused where it is none."""
    match = QUANTITY.fullmatch(quantity)
    size = int(float(match[1]) * UNITS[match[2]]) if match else 0
    if size < LEAST_BYTES:
        raise Refused(
            400, f"limits.memory {quantity[:40]!r} is not possible; write it as 128Mi, at least 4Mi"
        )
    return size


class Rlimit:
    """RLIMIT_DATA: private writable memory of each process; files and shared memory are free."""

    means = "RLIMIT_DATA of each process"
    is_entered_by_root = False

    def prefix(self, name: str, limit_bytes: int) -> list[str]:
        """Return what goes before the command line of a replica with this limit."""
        return ["prlimit", f"--data={limit_bytes}", f"--stack={STACK_BYTES}:"]

    def clear(self, name: str) -> None:
        """Forget a replica that has ended."""

    def close(self) -> None:
        """Leave nothing behind."""


class Cgroup:
    """memory.max: all memory of a replica's processes together; beyond it the kernel kills them."""

    means = "memory.max of a cgroup"
    # So that a watchdog counts, too, where a function has a user of its own.
    is_entered_by_root = True

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def prefix(self, name: str, limit_bytes: int) -> list[str]:
        group = self.folder / name
        group.mkdir(exist_ok=True)
        (group / "memory.max").write_text(str(limit_bytes))
        for file, value in (("memory.swap.max", "0"), ("memory.oom.group", "1")):
            if (group / file).exists():
                (group / file).write_text(value)
        return ["sh", "-c", ENTER, str(group / "cgroup.procs")]

    def clear(self, name: str) -> None:
        with contextlib.suppress(OSError):  # none was made, or a process of it still ends
            (self.folder / name).rmdir()

    def close(self) -> None:
        if self.folder.is_dir():
            for group in [*(path for path in self.folder.iterdir() if path.is_dir()), self.folder]:
                with contextlib.suppress(OSError):
                    group.rmdir()


Memory = Cgroup | Rlimit


def find(state_dir: Path, own: Path | None = None) -> Memory:
    """Return a cgroup below the nearest one that lets us, or the rlimit where there is none."""
    own = own or own_cgroup()
    stack = hashlib.sha256(str(state_dir).encode()).hexdigest()[:8]
    for parent in [own, *own.parents] if own else []:
        if "memory" in words(parent / "cgroup.subtree_control"):
            cgroup = Cgroup(parent / f"openfaas-local-{stack}")
            if is_usable(cgroup):
                return cgroup
            cgroup.close()
    return Rlimit()


def own_cgroup() -> Path | None:
    """Return the folder of this process' cgroup, where cgroup v2 is mounted."""
    mounts = [line.split() for line in Path("/proc/self/mounts").read_text().splitlines()]
    root = next((mount[1] for mount in mounts if mount[2] == "cgroup2"), None)
    lines = Path("/proc/self/cgroup").read_text().splitlines()
    path = next((line.removeprefix("0::/") for line in lines if line.startswith("0::/")), None)
    return None if root is None or path is None else Path(root) / path


def words(file: Path) -> list[str]:
    try:
        return file.read_text().split()
    except OSError:
        return []


def is_usable(cgroup: Cgroup) -> bool:
    """Find out by doing it: make a group, give it a limit, run a process in it."""
    try:
        cgroup.folder.mkdir(exist_ok=True)
        (cgroup.folder / "cgroup.subtree_control").write_text("+memory")
        command = [*cgroup.prefix("probe", 64 * 1024 * 1024), "true"]
        done = subprocess.run(command, stderr=subprocess.DEVNULL, timeout=PROBE_SECONDS)
    except (OSError, subprocess.TimeoutExpired) as error:
        logger.info("no cgroup for memory limits", extra={"reason": str(error)})
        return False
    cgroup.clear("probe")
    return done.returncode == 0
