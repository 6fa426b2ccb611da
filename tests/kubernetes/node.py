"""A machine inside this one, for a cluster: its own processes, mounts and network; root makes it.

It is reached from here by its address, and it reaches nothing but here. When whoever made it
ends, however that happens, nothing of it is left but its folder and its cgroups.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.compose.packet_filter import SBIN
from tests.kubernetes import control_groups, first_process
from tests.stack import ROOT, until

NAME = "node"
# Of the ranges that a cluster usually has; on a network of two ends that only this machine knows.
ADDRESS = "10.201.0.2"
PODS = "10.244.0.0/24"
SERVICES = "10.96.0.0/16"
DNS = "10.96.0.10"
_OUTSIDE = "10.201.0.1"
WIRE = ("kubernetes0", "node0")
# As pods look up names, but for those of their own namespace.
_NAMES = "search svc.cluster.local cluster.local\noptions ndots:5\n"
_COMMAND_SECONDS = 300.0
_END_SECONDS = 60.0
# What the kernel of a node is to do with packets of its pods.
_FORWARDING = ("net.ipv4.ip_forward=1", "net.bridge.bridge-nf-call-iptables=1")


@dataclass
class Node:
    """The node while it runs.

    Attributes:
        folder: its state and logs.
        pid: its first process, as this machine numbers it.
    """

    folder: Path
    pid: int
    _started: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def command(self, *words: str | Path) -> list[str]:
        """What this machine runs so that a command runs on the node, in our folder."""
        inside = ("--mount", "--net", "--pid", f"--wd={ROOT}")
        return ["nsenter", "--target", str(self.pid), *inside, "--", *map(str, words)]

    def environment(self, given: Mapping[str, str] | None = None) -> dict[str, str]:
        """This process' environment, with root's programs on PATH."""
        return {**os.environ, "PATH": f"{os.environ['PATH']}:{SBIN}", **(given or {})}

    def run(self, *words: str | Path, **given: object) -> subprocess.CompletedProcess[str]:
        """Run a command on the node to its end; one that fails shows what it said."""
        options = {"timeout": _COMMAND_SECONDS, **given}
        done: subprocess.CompletedProcess[str] = subprocess.run(
            self.command(*words), env=self.environment(), capture_output=True, text=True, **options
        )  # type: ignore[call-overload]
        said = f"{done.stdout}{done.stderr}"
        assert done.returncode == 0, f"{' '.join(map(str, words))}: {said}"
        return done

    def start(self, name: str, *words: str | Path) -> None:
        """Start a daemon; it ends with the node at the latest. Its log is `logs/NAME.log`."""
        with self.log(name).open("ab") as log:
            self._started[name] = subprocess.Popen(
                self.command(*words),
                env=self.environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def is_running(self, name: str) -> bool:
        """Tell whether a daemon that was started has not ended."""
        return self._started[name].poll() is None

    def log(self, name: str) -> Path:
        """Where a daemon's output goes."""
        return self.folder / "logs" / f"{name}.log"

    def last_words(self, lines: int = 5) -> str:
        """The end of each daemon's log that has ended by itself, or of all if none has."""
        ended = [name for name in self._started if not self.is_running(name)]
        told = [
            f"{name}: {line}"
            for name in ended or self._started
            for line in self.log(name).read_text(errors="replace").splitlines()[-lines:]
        ]
        return "\n".join(told)


@contextmanager
def running(folder: Path) -> Iterator[Node]:
    """Have a node until the end; its folder is removed with it."""
    (folder / "logs").mkdir(parents=True)
    resolver = folder / "resolv.conf"
    resolver.write_text(f"nameserver {DNS}\n{_NAMES}")
    first = _unshared(folder, resolver)
    try:
        said = (first.stdout or sys.stdin.buffer).readline().decode().strip()
        why = (folder / "logs" / "first.log").read_text(errors="replace")
        assert said == first_process.READY, f"the first process of the node did not start: {why}"
        (pid,) = _children(first.pid)
        node = Node(folder, pid)
        _wire(node)
        with control_groups.made():
            try:
                yield node
            finally:
                _end(first)
    finally:
        _end(first)
        shutil.rmtree(folder)


def _unshared(folder: Path, resolver: Path) -> subprocess.Popen[bytes]:
    """Start the first process: it ends when `unshare` does, and that when we do."""
    with_us = ("setpriv", "--pdeathsig", "KILL", "--")
    apart = ("--mount", "--net", "--pid", "--mount-proc", "--kill-child=KILL")
    module = (sys.executable, "-m", first_process.__name__, str(folder), str(resolver))
    with (folder / "logs" / "first.log").open("wb") as log:
        return subprocess.Popen(
            [*with_us, "unshare", *apart, "--fork", "--", *module],
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=log,
            start_new_session=True,
        )


def _wire(node: Node) -> None:
    """Connect the node with this machine, and each with the networks behind the other."""
    outside, inside = WIRE
    _ip("link", "add", outside, "type", "veth", "peer", "name", inside, "netns", str(node.pid))
    _ip("address", "add", f"{_OUTSIDE}/24", "dev", outside)
    _ip("link", "set", outside, "up")
    node.run("ip", "link", "set", "lo", "up")
    node.run("ip", "address", "add", f"{ADDRESS}/24", "dev", inside)
    node.run("ip", "link", "set", inside, "up")
    # kube-proxy changes their destination, but a packet needs a way before that.
    node.run("ip", "route", "add", SERVICES, "dev", inside)
    for network in (PODS, SERVICES):
        _ip("route", "add", network, "via", ADDRESS)
    for each in _FORWARDING:
        node.run("sysctl", "-q", "-w", each)


def _ip(*words: str) -> None:
    command = shutil.which("ip", path=f"{os.environ['PATH']}:{SBIN}") or "ip"
    done = subprocess.run([command, *words], capture_output=True, text=True)
    assert done.returncode == 0, f"ip {' '.join(words)}: {done.stderr}"


def _children(pid: int) -> list[int]:
    return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def _end(first: subprocess.Popen[bytes]) -> None:
    """Kill the first process, and with it all; return when the last has ended."""
    if first.poll() is None:
        for pid in _children(first.pid):
            os.kill(pid, signal.SIGKILL)
        first.wait(_END_SECONDS)
    # The wire is removed a moment later than the network that it led to.
    until(lambda: not Path("/sys/class/net", WIRE[0]).exists(), _END_SECONDS)
