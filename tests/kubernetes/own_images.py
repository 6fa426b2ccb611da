"""Our images, built as docker-compose.yml and stack.yml say, and those of a try-out."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from local import shrinkwrap
from local.services.progress import run, step
from local.stack_file import load
from pipeline.version import VERSION
from tests.compose import daemon, images
from tests.kubernetes.cluster_images import packed
from tests.stack import ROOT

# By services of docker-compose.yml: what the chart calls their images.
_BUILT = {
    "gateway": "image-pipeline-gateway",
    "image-process-consumer": "image-pipeline-consumers",
    "rollout": "image-pipeline-rollout",
}


def have() -> Path:
    """Build them all, and pack them with Kafka's, MinIO's and Redis'; returns the archive.

    Raises:
        StepFailed: an image could not be built.
    """
    images.have([images.DEBIAN, images.PYTHON, *images.of_compose_file()])
    environment = {**os.environ, "COMPOSE_PROGRESS": "plain"}
    # What it is made from is the provider's own image.
    services = ("provider", *_BUILT)
    run("Our images: building", ["docker", "compose", "build", *services], environment=environment)
    names = [_tagged(name) for name in _BUILT.values()]
    with step("Functions: building their images"):
        names += _functions()
    return packed([*names, *images.of_compose_file()])


def _functions() -> list[str]:
    names = []
    with tempfile.TemporaryDirectory(dir=daemon.folder()) as folder:
        for built in shrinkwrap.shrinkwrap(load(ROOT / "stack.yml"), Path(folder)):
            names.append(f"{built.name}:{VERSION}")
            version = ("--build-arg", f"VERSION={VERSION}")
            daemon.call("build", "-q", *version, "-t", names[-1], built)
    return names


def _tagged(name: str) -> str:
    """Give an image the number of its release, by which a chart names it."""
    daemon.call("tag", name, f"{name}:{VERSION}")
    return f"{name}:{VERSION}"
