"""The images that others publish: pulled where a registry answers, else stand-ins made here.

A stand-in has the name, the user, the paths and the environment variables of what it stands for.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

import yaml

from local.machine import files
from local.services.fetch import kafka_jars, minio_build
from local.services.progress import run, say
from local.services.servers import kafka
from local.services.settings import ROOT, Stack
from tests.compose import daemon

PYTHON = "python:3.11-slim-bookworm"
DEBIAN = "debian:bookworm-slim"
PULL_SECONDS = 300
_RECIPES = Path(__file__).with_name("stand_ins")
_LABEL = "image-pipeline.stand-in"
_AUTHORITIES = Path("/etc/ssl/certs/ca-certificates.crt")
# Of no use in an image; a release's documentation is as large as all else of it.
_LEFT_OUT = (
    "./debootstrap", "./usr/share/doc/*", "./usr/share/info/*", "./usr/share/locale/*",
    "./usr/share/man/*", "./var/cache/apt/*", "./var/lib/apt/lists/*", "./var/log/*.log",
)  # fmt: skip


def of_compose_file() -> list[str]:
    """Name the images that docker-compose.yml itself takes from others, optional ones left out."""
    services = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"].values()
    built = {service["image"] for service in services if "build" in service}
    named = {service["image"] for service in services if "profiles" not in service}
    return sorted(named - built)


def have(names: list[str]) -> list[str]:
    """Have these images; return those of them that are stand-ins.

    Raises:
        StepFailed: a stand-in could not be made.
    """
    with files.lock(daemon.folder() / "images.lock"):
        return [name for name in names if _have(name)]


def _have(name: str) -> bool:
    label = _label(name)
    if label is None:
        if _pull(name):
            return False
        label = ""
    elif not label:
        return False  # somebody pulled it
    wanted = _fingerprint(name)
    if label != wanted:
        say(f"  {name}: no registry answers; a stand-in is made")
        _make(name, wanted)
    return True


def _label(name: str) -> str | None:
    """The stand-in's label; empty for an image without, None where there is no image."""
    template = f'{{{{index .Config.Labels "{_LABEL}"}}}}'
    asked = subprocess.run(
        ["docker", "image", "inspect", "--format", template, name], capture_output=True, text=True
    )
    return asked.stdout.strip() if asked.returncode == 0 else None


def _pull(name: str) -> bool:
    try:
        pulled = subprocess.run(
            ["docker", "pull", "-q", name], capture_output=True, timeout=PULL_SECONDS
        )
    except subprocess.TimeoutExpired:
        return False
    return pulled.returncode == 0


def _fingerprint(name: str) -> str:
    """Change with whatever a stand-in is made of."""
    parts = hashlib.sha256(repr(_LEFT_OUT).encode())
    for file in sorted(_recipe(name).glob("*")):
        parts.update(file.name.encode() + file.read_bytes())
    for part in _parts(name):
        # What was built or fetched is named after its pins; our own files are not.
        name_and_pin = f"{part.parent.name}/{part.name}".encode()
        parts.update(part.read_bytes() if part.is_relative_to(ROOT) else name_and_pin)
    return parts.hexdigest()[:12]


def _recipe(name: str) -> Path:
    return _RECIPES / name.rpartition("/")[2].partition(":")[0]


def _parts(name: str) -> list[Path]:
    """What a stand-in is made of beside its recipe: files and folders of this machine."""
    stack = Stack.from_env(os.environ)
    if name.startswith("apache/kafka:"):
        return [kafka_jars.folder(stack), kafka.LOG4J2]
    if name.startswith("minio/minio:"):
        return [minio_build.binary(stack)]
    return [_AUTHORITIES] if name == PYTHON else []


def _make(name: str, fingerprint: str) -> None:
    if name == DEBIAN:
        _import_debian(fingerprint)
        return
    if not _have(DEBIAN):
        say(f"  {DEBIAN} is the published one")
    stack = Stack.from_env(os.environ)
    kafka_jars.fetch(stack)
    minio_build.build(stack)
    with tempfile.TemporaryDirectory(dir=daemon.folder()) as folder:
        context = Path(folder) / "context"
        shutil.copytree(_recipe(name), context)
        for part in _parts(name):
            if part.is_dir():
                shutil.copytree(part, context / "libs")
            elif part.exists():
                shutil.copy(part, context)
        label = f"{_LABEL}={fingerprint}"
        run(f"{name}: building", ["docker", "build", "--label", label, "-t", name, context])


def _import_debian(fingerprint: str) -> None:
    archive = daemon.folder() / "bookworm.tar"
    if not archive.exists():
        _bootstrap(archive)
    changes = ("--change", 'CMD ["bash"]', "--change", f"LABEL {_LABEL}={fingerprint}")
    daemon.call("import", *changes, archive, DEBIAN)


def _bootstrap(archive: Path) -> None:
    """Make Debian's smallest root file system, from where this machine gets its packages."""
    daemon.install("debootstrap")
    with tempfile.TemporaryDirectory(dir=archive.parent) as folder:
        root = Path(folder) / "root"
        run(
            "Debian: making a root file system (1 to 3 minutes)",
            ["debootstrap", "--variant=minbase", "bookworm", root, *_mirror()],
        )
        # Packages of services are not to start them.
        policy = root / "usr" / "sbin" / "policy-rc.d"
        policy.write_text("#!/bin/sh\nexit 101\n")
        policy.chmod(0o755)
        excluded = [f"--exclude={pattern}" for pattern in _LEFT_OUT]
        unfinished = Path(folder) / "archive"
        run("Debian: packing it", ["tar", *excluded, "-C", root, "-cf", unfinished, "."])
        unfinished.rename(archive)


def _mirror() -> list[str]:
    command = ["apt-get", "indextargets", "--format", "$(CODENAME) $(REPO_URI)"]
    listed = subprocess.run(command, capture_output=True, text=True).stdout
    found = re.search(r"^bookworm (\S+)$", listed, re.MULTILINE)
    return [found[1]] if found else []
