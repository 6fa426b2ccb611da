"""Docker's plugins compose and buildx: those of the docker command, else built into the cache."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from local.services.progress import say
from tests.compose import daemon
from tests.go_tools import GoTool

_BUILD_SECONDS = 1200.0
_COMPOSE = "github.com/docker/compose/v2"
_BUILDX = "github.com/docker/buildx"
_PLUGINS = {
    "compose": GoTool(
        "docker-compose",
        _COMPOSE,
        pins="compose",
        package=f"{_COMPOSE}/cmd",
        version_variable=f"{_COMPOSE}/internal.Version",
        build_seconds=_BUILD_SECONDS,
    ),
    # Without a version of its own compose takes it for too old.
    "buildx": GoTool(
        "docker-buildx",
        _BUILDX,
        pins="buildx",
        package=f"{_BUILDX}/cmd/buildx",
        version_variable=f"{_BUILDX}/version.Version",
        build_seconds=_BUILD_SECONDS,
    ),
}


def has(plugin: str) -> bool:
    """Tell whether the docker command knows this plugin; compose counts from version 2."""
    asked = subprocess.run(["docker", plugin, "version"], capture_output=True, text=True)
    return asked.returncode == 0


def provide() -> dict[str, str]:
    """Have both plugins; return the environment in which the docker command finds them."""
    missing = [name for name in _PLUGINS if not has(name)]
    if not missing:
        return {}
    config = daemon.folder() / "config"
    plugins = config / "cli-plugins"
    plugins.mkdir(parents=True, exist_ok=True)
    _keep_configuration(config)
    for name in _PLUGINS:
        tool, link = _PLUGINS[name], plugins / f"docker-{name}"
        if not tool.is_built():
            say(f"  Docker: building {name} from source, once: 1 to 4 minutes on two cores")
        binary = tool.binary()
        link.unlink(missing_ok=True)
        link.symlink_to(binary)
    return {"DOCKER_CONFIG": str(config)}


def _keep_configuration(folder: Path) -> None:
    """Registries that the user is logged in to are known there, too."""
    own = Path(os.environ.get("DOCKER_CONFIG") or Path.home() / ".docker") / "config.json"
    if own.exists() and own.parent != folder:
        shutil.copy(own, folder)
