"""Which numbers a stack's users have: a block of its own, of a range that no account is in.

Above all accounts of people and services and of systemd (up to 65535), and below what is handed out
to containers of users (from 100000). Nothing is written to /etc/passwd.
"""

from __future__ import annotations

import zlib
from pathlib import Path

from local.machine import files, processes
from local.services.progress import StepFailed
from local.services.settings import Stack

FIRST, LAST = 66_048, 99_839
# The stack's own processes, then its functions.
BLOCK = 256
_BLOCKS = range(FIRST, LAST + 1, BLOCK)


def claim(stack: Stack, recorded: int | None) -> int:
    """Return the first number of the stack's block: as before, unless another has it by now.

    A stack that is removed, or does not run, gives its block up where there is no other: its files
    change their owner at its next start.

    Args:
        recorded: which block its files belong to.

    Raises:
        StepFailed: every block is a running stack's.
    """
    folder = stack.cache_dir / "users"
    with files.lock(folder / "lock"):
        owners = {block: _owner(folder, block) for block in _BLOCKS}
        own = str(stack.state_dir)
        if recorded in owners and owners[recorded] in ("", own) and not _is_at_work(recorded):
            block = recorded
        else:
            block = _other(folder, owners, own)
        files.write(folder / str(block), own)
    return block


def _other(folder: Path, owners: dict[int, str], own: str) -> int:
    used = {uid - (uid - FIRST) % BLOCK for uid in _uids() if uid and FIRST <= uid <= LAST}
    idle = [block for block in _BLOCKS if block not in used]
    if before := [block for block in idle if owners[block] == own]:
        return before[0]
    free = [block for block in idle if not owners[block]]
    if free:
        # Stacks that have caches of their own do not see each other's claims: they begin apart.
        return free[zlib.crc32(own.encode()) % len(free)]
    if not idle:
        raise StepFailed(
            f"Users: each of the {len(_BLOCKS)} blocks of numbers from {FIRST} to {LAST} is a"
            " running stack's; stop one, or start this one with ISOLATE=0"
        )
    return min(idle, key=lambda block: (folder / str(block)).stat().st_mtime)


def _owner(folder: Path, block: int) -> str:
    try:
        owner = (folder / str(block)).read_text(encoding="utf-8")
    except FileNotFoundError:
        return ""
    return owner if Path(owner).exists() else ""


def _is_at_work(block: int) -> bool:
    return any(uid and block <= uid < block + BLOCK for uid in _uids())


def _uids() -> set[int | None]:
    """Whose processes run now."""
    return set(map(processes.owner, processes.pids()))
