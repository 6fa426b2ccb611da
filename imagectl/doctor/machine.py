"""Whether this machine has room for what runs on it: disk, memory, and free ports."""

from __future__ import annotations

import shutil
import socket
from pathlib import Path

from imagectl.doctor.configuration import PORTS
from imagectl.doctor.deployment import Deployment
from imagectl.doctor.finding import WARNING, Finding, Wrong, of, unseen

_GIGABYTE = 1_000_000_000
# MinIO refuses to write on a disk with less; a few hours of pictures need more.
_LEAST_FREE_BYTES = 1 * _GIGABYTE
_FREE_BYTES = 4 * _GIGABYTE
# A second classifier fits into it.
_FREE_MEMORY_BYTES = _GIGABYTE // 4
_MEMINFO = Path("/proc/meminfo")


def disk(deployment: Deployment) -> list[Finding]:
    """The space where a local stack keeps its data."""
    folder = deployment.state_dir
    if not folder.is_dir():
        return [unseen("disk", f"there is no folder {folder}")]
    free = shutil.disk_usage(folder).free
    said = f"{free / _GIGABYTE:.1f} GB are free in {folder.absolute()}"
    change = "make room, or let STATE_DIR be on a larger disk"
    if free >= _FREE_BYTES:
        return [of("disk", [], said)]
    state = {} if free < _LEAST_FREE_BYTES else {"state": WARNING}
    return [of("disk", [Wrong(said, f"{_FREE_BYTES // _GIGABYTE} GB", change, **state)], "")]


def memory(deployment: Deployment) -> list[Finding]:
    """What this machine has left."""
    try:
        lines = _MEMINFO.read_text(encoding="ascii").splitlines()
    except OSError as error:
        return [unseen("memory", str(error))]
    told = {name: int(text.split()[0]) * 1024 for name, text in (it.split(":") for it in lines)}
    free = told["MemAvailable"]
    said = f"{free / _GIGABYTE:.1f} of {told['MemTotal'] / _GIGABYTE:.1f} GB can be had"
    change = "lower CLASSIFIER_MAX_REPLICAS, or give the machine more"
    wanted = f"{_FREE_MEMORY_BYTES / _GIGABYTE:.2f} GB"
    wrong = [] if free >= _FREE_MEMORY_BYTES else [Wrong(said, wanted, change, WARNING)]
    return [of("memory", wrong, said)]


def free_ports(deployment: Deployment) -> list[Finding]:
    """Whether a stack that does not run yet could listen."""
    if deployment.run_file("supervisor"):
        return [of("free ports", [], "the stack runs, and has its own")]
    with_tls = deployment.environment.get("TLS") == "1"
    given = {
        name: deployment.environment.get(name) or str(port)
        for name, port in PORTS.items()
        if with_tls or name != "GATEWAY_HTTP_PORT"
    }
    wrong = [
        Wrong(f"{name}={text} is taken", "a free port", f"end who has it, or change {name}")
        for name, text in given.items()
        if text.isdecimal() and 0 < int(text) < 65536 and _is_taken(int(text))
    ]
    return [of("free ports", wrong, "all can be listened on")]


def _is_taken(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return True
    return False
