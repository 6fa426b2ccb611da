"""What is told of a cluster in figures: seconds to a first label, pods, memory."""

from __future__ import annotations

import time
from pathlib import Path

import requests

from local.services.progress import say
from tests.kubernetes import control_groups, release
from tests.kubernetes.cluster import Cluster
from tests.kubernetes.release import Release
from tests.stack import until

_LABEL_SECONDS = 120.0
_MEGABYTE = 1_000_000


def tell_label(picture: Path, installed: Release, started: float) -> None:
    """Have a picture classified through the gateway; say when, and what runs by then.

    Args:
        started: monotonic seconds when there was nothing.
    """
    key = (installed.folder / "secrets" / "api-key").read_text(encoding="utf-8")
    headers = {"X-Api-Key": key.strip(), "Prefer": "wait=30"}

    def label() -> str | None:
        with picture.open("rb") as file:
            answer = requests.post(
                f"{release.URL}/api/v1/images", data=file, headers=headers, timeout=60
            )
        if answer.status_code == 503:
            return None
        body = answer.json()
        assert answer.status_code in (200, 202), answer.text
        return body["result"]["labels"][0]["label"] if body["status"] == "completed" else None

    assert until(label, _LABEL_SECONDS) == "star"
    say(f"  Kubernetes: first picture classified {time.monotonic() - started:.1f} s after nothing")
    tell_pods(installed.cluster)


def tell_pods(cluster: Cluster) -> None:
    """Say how many pods there are, and what memory they and the cluster's own processes have."""
    pods = cluster.get("pods", "--all-namespaces")["items"]
    running = [pod for pod in pods if pod["status"]["phase"] == "Running"]
    say(
        f"  Kubernetes: {len(running)} pods run, in {_of_pods() / _MEGABYTE:.0f} MB of memory;"
        f" {_of_daemons(cluster) / _MEGABYTE:.0f} MB have Kubernetes' own processes"
    )


def _of_pods() -> int:
    """What processes of pods hold, without what is kept of files."""
    groups = [root / control_groups.NAME for root in control_groups.roots()]
    pids = {
        pid
        for group in groups[:1]
        for each in control_groups.within(group)
        for pid in control_groups.processes(each)
    }
    return sum(_resident(Path("/proc", pid)) for pid in pids)


def _of_daemons(cluster: Cluster) -> int:
    """The same of all other processes of the node."""
    space = Path("/proc", str(cluster.machine.pid), "ns", "pid").readlink()
    total = 0
    for folder in Path("/proc").iterdir():
        try:
            if folder.name.isdecimal() and (folder / "ns" / "pid").readlink() == space:
                total += _resident(folder)
        except OSError:
            continue  # it has ended meanwhile
    return total


def _resident(folder: Path) -> int:
    """The proportional part of its memory, in bytes: pages that processes share count once."""
    try:
        text = (folder / "smaps_rollup").read_text()
    except OSError:
        return 0
    return sum(int(line.split()[1]) for line in text.splitlines() if line[:4] == "Pss:") * 1024
