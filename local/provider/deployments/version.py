"""One version of a function: its spec and the working copy that its replicas run in."""

from __future__ import annotations

import secrets as random
import shutil
import stat
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from local.machine.users import User
from local.provider.deployments import image as images
from local.provider.deployments import node_modules
from local.provider.deployments.image import Image
from local.provider.deployments.probing import Probing
from local.provider.deployments.secrets import Secrets
from local.provider.deployments.spec import Spec
from local.provider.deployments.users import give_version
from local.provider.deployments.usual_folder import USUAL_FOLDER, who_needs_it
from local.provider.limits import timeouts
from local.provider.refusal import Refused
from local.provider.requirements import layers
from local.provider.requirements.layers import Wanted
from local.provider.settings import Settings

# They hold nothing but programs, which this machine has as well: they need not be built.
BARE_IMAGES = ("alpine",)
ANYBODY_WRITES = stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH


@dataclass(frozen=True)
class Version:
    id: str
    spec: Spec
    folder: Path

    @cached_property
    def probing(self) -> Probing:
        """What its replicas are asked: of how one is ready no template but ours is sure to know."""
        try:
            own = (images.OWN_LANGUAGE, self.spec.process)
            is_ours = images.template(self.folder) == own
            return Probing.of(self.spec.annotations, is_ours)
        except (Refused, ValueError):  # deployed before this was looked at
            return Probing()

    @cached_property
    def env(self) -> dict[str, str]:
        """The variables that its image gives, and those that it was deployed with."""
        try:
            return {**images.look(self.folder, self.spec).env, **self.spec.env}
        except (ValueError, OSError):  # its replicas will say why they cannot be started
            return self.spec.env

    @cached_property
    def requirements(self) -> Wanted | None:
        """What it needs beside the shared packages; nothing where it was deployed without."""
        try:
            return layers.read(self.folder)
        except Refused:  # by a provider that read no lines
            return None

    def remove(self) -> None:
        remove_folder(self.folder)


def checked(
    spec: Spec, settings: Settings, secrets: Secrets, *, has_usual_folder: bool = True
) -> tuple[Path, Image]:
    """Find the folder that was built, and tell how it is run.

    Raises:
        Refused: the image is not built, cannot be run here, or lets calls last too long; or a
            secret does not exist.
    """
    built = settings.build_dir / spec.build_name
    for name in spec.secrets:
        if not secrets.has(name):
            raise Refused(400, f"secret {name!r} does not exist; there are {secrets.names()}")
    image = check(spec, built)
    timeouts.check(spec.name, {**image.env, **spec.env}, settings.limits)
    if spec.secrets and not has_usual_folder and (file := who_needs_it(built)):
        raise Refused(
            400,
            f"{file} reads {USUAL_FOLDER}, which only root may give a function here: let it read"
            " the folder in $SECRETS_DIR, or start the provider as root",
        )
    return built, image


def make(
    spec: Spec,
    settings: Settings,
    secrets: Secrets,
    *,
    has_usual_folder: bool = True,
    user: User | None = None,
) -> Version:
    """Copy what was built, so that a running version never changes under its replicas.

    Raises:
        Refused: the image is not built, cannot be run here, or a secret does not exist.
    """
    built, image = checked(spec, settings, secrets, has_usual_folder=has_usual_folder)
    version_id = f"{spec.name}-{random.token_hex(4)}"
    folder = settings.versions_dir / version_id
    try:
        shutil.copytree(built, folder) if built.is_dir() else folder.mkdir()
    except OSError as error:  # the disk is full, or the folder was changed under us
        remove_folder(folder)
        raise Refused(500, f"{built} cannot be copied: {error}") from error
    if spec.is_read_only:
        set_writable(folder, False)
    give_version(folder, user, is_read_only=spec.is_read_only)
    version = Version(version_id, replace_process(spec, image.process), folder)
    _ = version.requirements  # read here, in a thread
    return version


def check(spec: Spec, built: Path) -> Image:
    """Tell how a build is run; raise Refused where it cannot be."""
    is_bare = spec.build_name in BARE_IMAGES and bool(spec.process)
    if not built.is_dir() and not is_bare:
        raise Refused(
            400,
            f"image {spec.image!r} is not built: there is no folder {built}."
            " Run: faas-cli build --shrinkwrap -f stack.yml",
        )
    try:
        image = images.look(built, spec)
    except (ValueError, OSError) as error:
        raise Refused(400, f"image {spec.image!r} cannot be run: {error}") from error
    if packages := node_modules.missing(built, image.process):
        file, names = next(iter(packages.items()))
        raise Refused(
            400,
            f"{file} names {', '.join(names)[:300]}, which {built} does not have: run npm install"
            " there, and deploy without building again",
        )
    return image


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
