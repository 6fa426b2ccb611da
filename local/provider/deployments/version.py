"""One version of a function: its spec and the working copy that its replicas run in."""

from __future__ import annotations

import secrets as random
import shutil
import stat
from dataclasses import dataclass, replace
from pathlib import Path

import yaml

from local.provider.deployments.secrets import Secrets
from local.provider.deployments.spec import Spec
from local.provider.refusal import Refused
from local.provider.settings import Settings

ANYBODY_WRITES = stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH


@dataclass(frozen=True)
class Version:
    id: str
    spec: Spec
    folder: Path

    def remove(self) -> None:
        remove_folder(self.folder)


def make(spec: Spec, settings: Settings, secrets: Secrets) -> Version:
    """Copy what was built, so that a running version never changes under its replicas.

    Raises:
        Refused: the image is not built, or a secret does not exist.
    """
    built = settings.build_dir / spec.build_name
    if not built.is_dir():
        raise Refused(
            400,
            f"image {spec.image!r} is not built: there is no folder {built}."
            " Run: faas-cli build --shrinkwrap -f stack.yml",
        )
    for name in spec.secrets:
        if not secrets.has(name):
            raise Refused(400, f"secret {name!r} does not exist; there are {secrets.names()}")
    with_process = spec if spec.process else replace_process(spec, template_process(built))
    version_id = f"{spec.name}-{random.token_hex(4)}"
    folder = settings.versions_dir / version_id
    try:
        shutil.copytree(built, folder)
    except OSError as error:  # the disk is full, or the folder was changed under us
        remove_folder(folder)
        raise Refused(500, f"{built} cannot be copied: {error}") from error
    if spec.is_read_only:
        set_writable(folder, False)
    return Version(version_id, with_process, folder)


def remove_folder(folder: Path) -> None:
    set_writable(folder, True)
    shutil.rmtree(folder, ignore_errors=True)


def set_writable(folder: Path, is_writable: bool) -> None:
    """Let the owner write below a folder, or nobody."""
    for path in [folder, *folder.rglob("*")]:
        if path.exists() and not path.is_symlink():
            mode = stat.S_IMODE(path.stat().st_mode)
            path.chmod(mode | stat.S_IWUSR if is_writable else mode & ~ANYBODY_WRITES)


def replace_process(spec: Spec, process: str) -> Spec:
    return replace(spec, request={**spec.request, "envProcess": process})


def template_process(built: Path) -> str:
    """Return the template's own command, for a request that names none."""
    try:
        process = yaml.safe_load((built / "template.yml").read_text())["fprocess"]
    except (OSError, yaml.YAMLError, KeyError, TypeError) as error:
        raise Refused(400, f"envProcess is empty, and {built} has no fprocess: {error}") from error
    return str(process)
