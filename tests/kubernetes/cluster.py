"""A Kubernetes of one node: from nothing to pods that find each other, and back to nothing."""

from __future__ import annotations

import json
import os
import string
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from local.machine import files
from local.services.progress import StepFailed, say
from local.services.settings import Stack
from tests.kubernetes import (
    cluster_images,
    control_plane,
    leftovers,
    node,
    packages,
    programs,
    worker,
)
from tests.kubernetes.kubectl import kubectl
from tests.kubernetes.node import Node
from tests.stack import until

_MANIFESTS = Path(__file__).with_name("manifests")
_READY_SECONDS = 240.0


@dataclass(frozen=True)
class Cluster:
    """A cluster that runs; kubectl is spoken to from this machine."""

    machine: Node
    pki: Path

    @property
    def kubeconfig(self) -> Path:
        """Opens everything."""
        return self.pki / f"{control_plane.ADMINISTRATOR}.kubeconfig"

    def environment(self) -> dict[str, str]:
        """In which kubectl and Helm find this cluster."""
        path = f"{programs.KUBERNETES.folder()}:{os.environ['PATH']}"
        return {**os.environ, "KUBECONFIG": str(self.kubeconfig), "PATH": path}

    def kubectl(self, *words: str | Path, text: str = "") -> str:
        """Run kubectl to its end; what it printed. A failure shows what it said."""
        return kubectl(*words, text=text, environment=self.environment())

    def get(self, *words: str) -> Any:
        """What `kubectl get` finds, as a document."""
        return json.loads(self.kubectl("get", "-o", "json", *words))

    def apply(self, manifest: str, values: Mapping[str, str]) -> None:
        """Create what is in one of our manifests, its placeholders filled in."""
        text = (_MANIFESTS / f"{manifest}.yaml").read_text(encoding="utf-8")
        self.kubectl("apply", "-f", "-", text=string.Template(text).substitute(values))

    def rolled_out(self, namespace: str, *workloads: str) -> None:
        """Wait until these workloads, as deployment/NAME, have what they ask for."""
        for each in workloads:
            wait = f"--timeout={_READY_SECONDS:.0f}s"
            self.kubectl("-n", namespace, "rollout", "status", each, wait)

    def images(self, archive: Path) -> None:
        """Give the node more images."""
        worker.import_images(self.machine, archive)


@contextmanager
def running(archive: Path) -> Iterator[Cluster]:
    """Have a cluster until the end; one at a time on a machine.

    Args:
        archive: has the images of `cluster_images`.

    Raises:
        StepFailed: another one runs, or something could not be installed.
        AssertionError: a part does not start, or something of the cluster is left at the end.
    """
    if os.geteuid() != 0:
        raise StepFailed("a cluster is made of namespaces and mounts: only root can start one")
    packages.have()
    lock = Stack.from_env(os.environ).cache_dir / "kubernetes-cluster.lock"
    try:
        with files.lock(lock, wait=False), tempfile.TemporaryDirectory(prefix="kube-") as folder:
            state = Path(folder) / "node"
            before = leftovers.seen(state)
            try:
                with node.running(state) as machine:
                    yield _started(machine, archive)
            finally:
                leftovers.check(before, state)
    except files.Busy as error:
        raise StepFailed(f"process {error} has a cluster on this machine; one runs") from error


def _started(machine: Node, archive: Path) -> Cluster:
    began = time.monotonic()
    cluster = Cluster(machine, machine.folder / "pki")
    control_plane.prepare(cluster.pki)
    control_plane.start(machine, cluster.pki)
    say(f"  Kubernetes: the API server is ready after {time.monotonic() - began:.1f} s")
    worker.start(machine, cluster.pki, [archive], cluster_images.name_of("pause"))
    coredns = cluster_images.name_of("coredns")
    cluster.apply("cluster", {"DNS": node.DNS, "COREDNS": coredns})
    until(lambda: _is_ready(cluster), _READY_SECONDS)
    worker.start_network_policies(machine, cluster.pki)
    cluster.rolled_out("kube-system", "deployment/coredns")
    say(f"  Kubernetes: pods run and find each other after {time.monotonic() - began:.1f} s")
    return cluster


def _is_ready(cluster: Cluster) -> bool:
    assert cluster.machine.is_running("kubelet"), cluster.machine.last_words()
    nodes = cluster.get("nodes")["items"]
    conditions = [each for found in nodes for each in found["status"].get("conditions", [])]
    return any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)
