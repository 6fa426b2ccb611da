"""The first process of a node: hides this machine's folders, buries the dead, and ends it all.

Started by `unshare` in namespaces of its own; when it is killed, the kernel kills whatever else
runs in them and forgets their mounts, network and routes.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

READY = "ready"
# Programs of a node write there, wherever they are told to keep their state.
_OVERLAID = ("/var/lib", "/var/log")
# Sockets of shims, namespaces of pods' networks.
_OF_ITS_OWN = "/run"
_INSIDE_RUN = ("netns", "lock")


def main(folder: Path, resolver: Path) -> None:
    """Set the node up, say so, and stay until SIGTERM.

    Args:
        folder: keeps what is written to folders of this machine.
        resolver: what the node has as /etc/resolv.conf.
    """
    signals = {signal.SIGTERM, signal.SIGCHLD}
    signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    for each in _OVERLAID:
        _overlay(each, folder / each.replace("/", "-").strip("-"))
    _mount("-t", "tmpfs", "tmpfs", _OF_ITS_OWN)
    for name in _INSIDE_RUN:
        (Path(_OF_ITS_OWN) / name).mkdir()
    _mount("--bind", str(resolver), "/etc/resolv.conf")
    print(READY, flush=True)
    while signal.sigwait(signals) != signal.SIGTERM:
        _reap()


def _overlay(folder: str, kept: Path) -> None:
    upper, work = kept / "upper", kept / "work"
    for each in (upper, work):
        each.mkdir(parents=True)
    options = f"lowerdir={folder},upperdir={upper},workdir={work}"
    _mount("-t", "overlay", "overlay", "-o", options, folder)


def _mount(*words: str) -> None:
    subprocess.run(["mount", *words], check=True)


def _reap() -> None:
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        return  # there is none left


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
