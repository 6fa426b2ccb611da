"""What a cluster may have left on this machine: looked at before, compared afterwards.

Others may start containers of their own meanwhile: only what a cluster makes is looked at.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from tests.compose.packet_filter import SBIN
from tests.kubernetes import control_groups, node
from tests.stack import until

# Where programs of Kubernetes write, wherever they are told to keep their state.
_FOLDERS = (
    "/etc/cni", "/etc/kubernetes", "/run/flannel", "/run/kubernetes", "/var/lib/cni",
    "/var/lib/kube-proxy", "/var/lib/kube-router", "/var/lib/kubelet", "/var/log/containers",
    "/var/log/pods",
)  # fmt: skip
_GROUPS = ("k8s.io", "kubepods", "kubepods.slice", control_groups.NAME)
_CHAINS = ("KUBE-", "CNI-")
_PATIENCE_SECONDS = 30.0


def seen(folder: Path) -> set[str]:
    """Everything there is now of what a cluster makes, each thing as a line.

    Args:
        folder: of the cluster's state, which all its processes and mounts name.
    """
    return {
        *_processes(folder), *_mounts(folder), *_network(), *_rules(), *_groups(), *_files(),
        *([f"folder {folder}"] if folder.exists() else []),
    }  # fmt: skip


def check(before: set[str], folder: Path) -> None:
    """Fail, naming them, when there are things that were not there before.

    Raises:
        AssertionError: after some patience: what is ending may take a moment.
    """
    try:
        until(lambda: seen(folder) <= before, _PATIENCE_SECONDS)
    except AssertionError:
        left = sorted(seen(folder) - before)
        raise AssertionError("left of the cluster: " + "; ".join(left)) from None


def _processes(state: Path) -> Iterator[str]:
    for folder in Path("/proc").iterdir():
        if folder.name.isdecimal() and int(folder.name) != os.getpid():
            try:
                words = (folder / "cmdline").read_bytes()
            except OSError:
                continue  # it has ended meanwhile
            if str(state).encode() in words:
                yield f"process {folder.name} {words[:80].decode(errors='replace')}"


def _mounts(folder: Path) -> Iterator[str]:
    for line in Path("/proc/self/mounts").read_text().splitlines():
        place = line.split()[1]
        if place.startswith((str(folder), "/run/netns/cni-", *_FOLDERS)):
            yield f"mount {place}"


def _network() -> Iterator[str]:
    for kind, words in (
        ("network", ("netns", "list")),
        ("interface", ("-o", "link")),
        ("route", ("route",)),
    ):
        for line in _told("ip", *words):
            is_ours = (
                line.startswith("cni-")
                or node.WIRE[0] in line
                or line.startswith((node.PODS, node.SERVICES))
            )
            if is_ours:
                yield f"{kind} {line}"


def _rules() -> Iterator[str]:
    """Rules for packets that Kubernetes makes, in this machine's own network."""
    yield from (f"rule {line}" for line in _told("iptables-save") if line[1:].startswith(_CHAINS))


def _told(name: str, *words: str) -> list[str]:
    program = shutil.which(name, path=f"{os.environ['PATH']}:{SBIN}")
    if program is None:
        return []
    return subprocess.run([program, *words], capture_output=True, text=True).stdout.splitlines()


def _groups() -> Iterator[str]:
    for root in control_groups.roots():
        yield from (f"control group {root / it}" for it in _GROUPS if (root / it).exists())


def _files() -> Iterator[str]:
    for name in _FOLDERS:
        folder = Path(name)
        if folder.exists():
            yield f"folder {folder}"
            yield from (f"file {each}" for each in folder.rglob("*") if not each.is_dir())
