"""Whether each process of a local stack is a user of its own, so that none reads another's."""

from __future__ import annotations

import os
from collections.abc import Iterator

from imagectl.doctor.deployment import Deployment
from imagectl.doctor.finding import WARNING, Finding, Wrong, of, unseen

_CHECK = "users"
_WANTED = "a user for each process and each function"
# They start the others as their users, or read what is the operator's.
_OF_ROOT = ("supervisor", "provider", "certificates")


def examine(deployment: Deployment) -> list[Finding]:
    """Look whose the processes are that run, and what was decided at the start."""
    if not deployment.run_file("supervisor"):
        return [unseen(_CHECK, f"no supervisor runs with {deployment.state_dir}")]
    users = deployment.users
    if not users:
        return [of(_CHECK, [_absent(deployment.why_no_users)], "")]
    found = {name: owner for name, owner in _owners(deployment) if name not in _OF_ROOT}
    shared = {owner for owner in found.values() if owner not in users}
    wrong = [
        Wrong(f"{name} runs as user {owner}", _WANTED, "make down, make up")
        for name, owner in found.items()
        if owner in shared
    ]
    well = f"{len(set(found.values()))} of {users.start} to {users.stop - 1}, a process or function"
    return [of(_CHECK, wrong, f"{well} each")]


def _absent(why: str) -> Wrong:
    told = why or "an older version started them"
    return Wrong(
        f"all processes are one user's: {told}",
        _WANTED,
        "let root start the stack, without ISOLATE=0; mend what keeps it from that",
        WARNING,
    )


def _owners(deployment: Deployment) -> Iterator[tuple[str, int]]:
    """Each recorded process, and whose it is."""
    for path in sorted(deployment.state_dir.glob("run/*.json")):
        pid = deployment.run_file(path.stem).get("pid")
        try:
            yield path.stem, os.stat(f"/proc/{pid}").st_uid
        except OSError:  # it has just ended
            continue
