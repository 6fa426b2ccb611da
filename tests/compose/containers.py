"""Containers of a compose project: as docker describes them, and as this machine sees inside."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.compose import daemon

_PROJECT, _SERVICE = "com.docker.compose.project", "com.docker.compose.service"
_DOCKER_SECONDS = 180


@dataclass(frozen=True)
class Container:
    """One container of a service, as docker describes it now."""

    told: Mapping[str, Any]

    @property
    def id(self) -> str:
        """What docker calls it."""
        return str(self.told["Id"])

    @property
    def service(self) -> str:
        """The service of the compose file."""
        return str(self.told["Config"]["Labels"][_SERVICE])

    @property
    def pid(self) -> int:
        """Its first process, as this machine numbers it; 0 when it is not running."""
        return int(self.told["State"]["Pid"])

    @property
    def is_kept(self) -> bool:
        """Whether it is started again when it ends; what only prepares the others is not."""
        return self.told["HostConfig"]["RestartPolicy"]["Name"] not in ("", "no", "on-failure")

    @property
    def address(self) -> str:
        """Its address on the inner network; empty when it has none now."""
        networks = self.told["NetworkSettings"]["Networks"]
        inner = [each["IPAddress"] for name, each in networks.items() if name.endswith("_inner")]
        return str(inner[0]) if inner else ""

    def variable(self, name: str) -> str:
        """A variable of its environment."""
        pairs = (each.partition("=") for each in self.told["Config"]["Env"])
        return str(next(value for key, _, value in pairs if key == name))

    def folder(self, path: str) -> Path:
        """A folder of its file system, as this machine sees it while it runs."""
        return Path(f"/proc/{self.pid}/root{path}")


def of_project(project: str, service: str = "") -> list[Container]:
    """Find every container of a project, or of one of its services, running or not."""
    labels = [f"{_PROJECT}={project}"] + ([f"{_SERVICE}={service}"] if service else [])
    filters = [word for label in labels for word in ("--filter", f"label={label}")]
    if not (ids := docker("ps", "--all", "--quiet", *filters).split()):
        return []
    return [Container(each) for each in json.loads(docker("inspect", *ids))]


def docker(*words: str) -> str:
    """Run a docker command that is quick; what it printed."""
    return daemon.call(*words, timeout=_DOCKER_SECONDS)


def logs(container: Container) -> str:
    """What a container has written, to either of its outputs."""
    done = daemon.run_to_end("logs", container.id, timeout=_DOCKER_SECONDS)
    return done.stdout + done.stderr


def replicas(provider: Container, function: str) -> list[int]:
    """The living replicas of a function: the provider notes the pids that its container gives."""
    if not provider.pid:
        return []
    run_dir = provider.folder(provider.variable("STATE_DIR")) / "run"
    try:
        texts = [path.read_text() for path in run_dir.glob(f"{function}-[0-9]*.json")]
        noted = {int(json.loads(text)["pid"]) for text in texts}
        living = _processes_beside(provider.pid)
    except OSError:
        return []  # the provider, or a replica, has ended meanwhile
    return [pid for inner, pid in living.items() if inner in noted]


def _processes_beside(first: int) -> dict[int, int]:
    """The living processes of a container: what it calls them, and what this machine does."""
    space = os.readlink(f"/proc/{first}/ns/pid")
    found = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdecimal():
            try:
                if os.readlink(folder / "ns" / "pid") != space:
                    continue
                status = (folder / "status").read_text()
            except OSError:
                continue
            fields = dict(line.split(":", 1) for line in status.splitlines() if ":" in line)
            if not fields["State"].strip().startswith("Z"):
                found[int(fields["NSpid"].split()[-1])] = int(folder.name)
    return found
