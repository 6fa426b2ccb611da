"""OpenFaaS in a cluster of its own, with its queue: the contract's other door."""

from __future__ import annotations

import os
import shutil
import string
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from local.services.progress import run
from tests.compose import daemon, images, plugins
from tests.kubernetes import cluster, cluster_images, openfaas, programs
from tests.kubernetes.cluster import Cluster
from tests.kubernetes.cluster_images import name_of
from tests.openfaas.door import MIRROR, REPLICA_SECONDS, Door
from tests.openfaas.ours import MIRROR_FILE
from tests.openfaas.programs import NATS_STREAMING, QUEUE_WORKER
from tests.stack import until

_HERE = Path(__file__).parent
_GATEWAY = ("faas_nats_address=nats.openfaas.svc", "faas_nats_port=4222")


@contextmanager
def openfaas_door() -> Iterator[Door]:
    """Build what is missing, start it all, and take it down.

    Raises:
        StepFailed: something could not be built, or another cluster runs.
        NoDocker: images cannot be built.
    """
    for tool in programs.CLUSTER:
        tool.folder()
    with daemon.running():
        os.environ.update(plugins.provide())
        archives = cluster_images.have(), _images()
    with cluster.running(archives[0]) as running, tempfile.TemporaryDirectory() as folder:
        running.images(archives[1])
        installed = openfaas.install(running, Path(folder, "home"))
        _add_queue(running)
        door = Door(
            url=openfaas.URL,
            metrics_url=openfaas.METRICS_URL,
            login=(openfaas.USER, installed.password),
            image=name_of(MIRROR),
            process="python3 mirror.py",  # its container runs it in any case
            callback_url=f"{openfaas.INNER_URL}/function/{MIRROR}",
        )
        until(lambda: _answers(door), REPLICA_SECONDS)
        yield door


def _answers(door: Door) -> bool:
    """Tell whether the node leads to the gateway that knows of the queue, and no more to others."""
    try:
        return all(door.ask("GET", "/healthz").status == 200 for _ in range(5))
    except OSError:
        return False


def _images() -> Path:
    """Build the mirror's image and those of the queue, and pack them; returns the archive."""
    images.have([images.PYTHON])
    built = {
        MIRROR: MIRROR_FILE,
        NATS_STREAMING.name: NATS_STREAMING.binary(),
        QUEUE_WORKER.name: QUEUE_WORKER.binary(),
    }
    for name, file in built.items():
        with tempfile.TemporaryDirectory(dir=daemon.folder()) as folder:
            context = Path(folder, "context")
            shutil.copytree(_HERE / "images" / name, context)
            shutil.copy(file, context)
            run(f"{name}: building its image", ["docker", "build", "-t", name_of(name), context])
    return cluster_images.packed([name_of(name) for name in built])


def _add_queue(running: Cluster) -> None:
    """Have asynchronous calls, and the gateway know of them."""
    values = {"NATS": name_of(NATS_STREAMING.name), "QUEUE_WORKER": name_of(QUEUE_WORKER.name)}
    manifest = string.Template((_HERE / "queue.yaml").read_text(encoding="utf-8"))
    running.kubectl("apply", "-f", "-", text=manifest.substitute(values))
    running.rolled_out(openfaas.NAMESPACE, "deployment/nats")
    gateway = ("deployment/gateway", "--containers=gateway")
    running.kubectl("-n", openfaas.NAMESPACE, "set", "env", *gateway, *_GATEWAY)
    running.rolled_out(openfaas.NAMESPACE, "deployment/gateway", "deployment/queue-worker")
