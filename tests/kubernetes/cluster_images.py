"""The images that a cluster is made of, built here, and packed for its node."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

from local.machine import files
from local.services.progress import run, step
from local.services.settings import Stack
from tests.compose import daemon, images
from tests.kubernetes import programs

_RECIPES = Path(__file__).with_name("images")
_OURS = "image-pipeline-tests"
# What was packed last lies there; older archives are removed.
_KEPT = 4
_RELEASED = "1"
NAMES = ("pause", "coredns", "openfaas-gateway", "faas-netes", "prometheus")


def name_of(image: str) -> str:
    """What an image of a cluster is called."""
    return f"{_OURS}/{image}:{_RELEASED}"


def have() -> Path:
    """Build the cluster's own images and OpenFaaS', and pack them; returns the archive.

    Raises:
        StepFailed: a program or an image could not be built.
    """
    built = {
        "coredns": programs.COREDNS.binary(),
        "openfaas-gateway": programs.GATEWAY.binary(),
        "faas-netes": programs.FAAS_NETES.binary(),
    }
    images.have([images.DEBIAN])
    for image in NAMES:
        _build(image, built)
    return packed([name_of(image) for image in NAMES])


def packed(names: list[str]) -> Path:
    """Pack images into one archive in the cache, unless they are packed already."""
    ids = daemon.call("image", "inspect", "--format", "{{.Id}}", *names).split()
    digest = hashlib.sha256(repr(sorted(zip(names, ids, strict=True))).encode()).hexdigest()[:16]
    folder = Stack.from_env(os.environ).cache_dir / "kubernetes-images"
    archive = folder / f"{digest}.tar"
    with files.lock(folder / "lock"):
        if not archive.exists():
            unfinished = folder / "unfinished"
            with step(f"Images: packing {len(names)}"):
                daemon.call("save", "--output", unfinished, *names)
            unfinished.rename(archive)
        os.utime(archive)
        for old in sorted(folder.glob("*.tar"), key=lambda each: each.stat().st_mtime)[:-_KEPT]:
            old.unlink()
    return archive


def _build(image: str, built: Mapping[str, Path]) -> None:
    with tempfile.TemporaryDirectory(dir=daemon.folder()) as folder:
        context = Path(folder) / "context"
        shutil.copytree(_RECIPES / image, context)
        if image in built:
            shutil.copy(built[image], context / image)
        run(f"{image}: building its image", ["docker", "build", "-t", name_of(image), context])
