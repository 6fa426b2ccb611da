"""The control groups of a node's containers: one below this machine's root that holds them all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.stack import until

# Below it are those of pods.
NAME = "image-pipeline-kubernetes"
_EMPTY_SECONDS = 30.0
_MOUNTS = Path("/proc/mounts")
_OF_VERSION_2 = "cpuset cpu io memory pids"


def roots() -> list[Path]:
    """Where control groups are mounted: once a kind, once for all of them (version 2), or both."""
    rows = [line.split() for line in _MOUNTS.read_text().splitlines()]
    return [Path(row[1]) for row in rows if row[2] in ("cgroup", "cgroup2")]


def within(group: Path) -> list[Path]:
    """A group and those below it, the outer ones first; one that goes meanwhile is passed over."""
    return [Path(folder) for folder, _, _ in os.walk(group)]


def processes(group: Path) -> list[str]:
    """The ids of its processes, of no group below it; none when it has gone."""
    try:
        return (group / "cgroup.procs").read_text().split()
    except OSError:  # also of a file that was open
        return []


@contextmanager
def made() -> Iterator[None]:
    """Have the group until the end; by then its processes must be gone."""
    groups = [root / NAME for root in roots()]
    remove()
    for group in groups:
        _hand_down(group.parent)
        group.mkdir()
        _hand_down(group)
    try:
        yield
    finally:
        until(remove, _EMPTY_SECONDS)


def remove() -> bool:
    """Remove the group with those below it; tell whether it is gone."""
    for root in roots():
        for each in reversed(within(root / NAME)):
            try:
                each.rmdir()
            except FileNotFoundError:
                continue
            except OSError:
                return False  # a process that was killed is not gone yet
    return True


def _hand_down(group: Path) -> None:
    """With version 2 a group has the controllers that the one above it hands down."""
    control = group / "cgroup.subtree_control"
    if not control.exists():
        return
    known = (group / "cgroup.controllers").read_text().split()
    if given := [f"+{each}" for each in _OF_VERSION_2.split() if each in known]:
        control.write_text(" ".join(given))
