"""Debian's programs that a node runs: containers, their networks, and what filters packets."""

from __future__ import annotations

import shutil

from local.services.progress import StepFailed
from tests.compose import daemon
from tests.compose.packet_filter import SBIN

# Where programs are that give pods their networks.
PLUGINS = "/usr/lib/cni"
# What a program is called, and whose it is.
_PACKAGES = {
    "containerd": "containerd",
    "runc": "runc",
    "conntrack": "conntrack",
    "ip": "iproute2",
    "ipset": "ipset",
    "iptables": "iptables",
    "ptp": "containernetworking-plugins",
    "sysctl": "procps",
}


def have() -> None:
    """Install what is missing.

    Raises:
        StepFailed: something could not be installed.
    """
    places = f"{SBIN}:/usr/bin:/bin:{PLUGINS}"
    missing = [
        package
        for program, package in _PACKAGES.items()
        if shutil.which(program, path=places) is None
    ]
    if missing:
        try:
            daemon.install(*missing)
        except daemon.NoDocker as error:
            raise StepFailed(str(error)) from error
