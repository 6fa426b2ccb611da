"""What a folder of build/ is run as: by itself, behind a watchdog, or as a server of its own."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

import yaml

from local.provider.deployments import recipe
from local.provider.deployments.recipe import Recipe
from local.provider.deployments.spec import Spec

OWN_LANGUAGE = "python3-pipeline"
WATCHDOG = "com.openfaas.local.watchdog"  # an annotation: one of these, where no Dockerfile tells
NONE, CLASSIC = "none", "classic"
MODES = ("http", "streaming", "serializing")
SERVER_PORT = 8080  # where OpenFaaS asks a container without a watchdog
UPSTREAM_PORT = re.compile(r"(?:http://)?[^/:]*:([0-9]{1,5})(?:/.*)?")
CONTAINER_HOME = re.compile(r"(?<![^:\s='\"])/home/app(?=[/:\s'\"]|$)")
PORT = re.compile(rb"\bPORT\b")
MAX_CODE_BYTES = 1024 * 1024  # of a file that is looked into
NOT_FROM_IMAGE = ("PATH", "HOME", "PORT", "HOST", "TMPDIR")  # these are told of this machine


class Kind(Enum):
    OWN = "serves on $PORT"
    SERVER = "serves on a port of its own choice"
    WATCHDOG = "is served by a watchdog"


@dataclass(frozen=True)
class Image:
    """How a version's replicas are started."""

    kind: Kind
    process: str
    env: dict[str, str]
    port: int = SERVER_PORT
    mode: str = NONE
    work: str = ""

    def folder(self, version_folder: Path) -> Path:
        """Return the folder to start in; where the image names one that was never made, its own."""
        folder = version_folder / self.work
        return folder if folder.is_dir() else version_folder


def look(folder: Path, spec: Spec) -> Image:
    """Read what a build's files, and the request, say of it; raise ValueError where it is unclear.

    `folder` is where it lies, or will: /home/app of an image is there.
    """
    language, template_process = template(folder)
    if language == OWN_LANGUAGE:
        return Image(Kind.OWN, checked(spec.process or template_process), {})
    has_recipe = (folder / "Dockerfile").is_file()
    made = recipe.read(folder / "Dockerfile") if has_recipe else Recipe()
    told = {**made.env, **spec.env}
    given = spec.process or told.get("fprocess") or told.get("function_process", "")
    process = checked(given or template_process or own_command(made))
    env = {
        name: value
        for name, value in made.env.items()
        if name not in NOT_FROM_IMAGE and name != "fprocess"
    }
    work = str(Path(made.folder).relative_to("/home/app")) if in_home(made.folder) else ""
    mode = mode_of(made, told, spec, has_recipe)
    is_untold = not has_recipe and not asked(told, spec)
    if spec.annotations.get(WATCHDOG) == NONE or (is_untold and reads_port(folder, process)):
        return Image(Kind.OWN, process, env, work=work)
    if mode == NONE:
        port = made.ports[0] if len(set(made.ports)) == 1 else SERVER_PORT
        return Image(Kind.SERVER, process, env, port, work=work)
    port = upstream_port(told) if mode == "http" else 0
    return Image(Kind.WATCHDOG, process, env, port, mode, work)


def checked(process: str) -> str:
    try:
        words = shlex.split(process)
    except ValueError as error:
        raise ValueError(f"process {process[:80]!r} is no command: {error}") from error
    if not words:
        raise ValueError(
            "envProcess is empty, and there is neither a template.yml with fprocess nor a"
            " Dockerfile with ENV fprocess or CMD"
        )
    return process


def own_command(made: Recipe) -> str:
    return "" if names_watchdog(made.command) else shlex.join(made.command)


def mode_of(made: Recipe, told: Mapping[str, str], spec: Spec, has_recipe: bool) -> str:
    """Tell how the process is served, as the image with its watchdog would."""
    allowed = (*MODES, CLASSIC, NONE)
    is_watched = WATCHDOG in spec.annotations or names_watchdog(made.command)
    if not is_watched and (made.command or (has_recipe and not told.keys() & {"fprocess", "mode"})):
        return NONE
    if mode := asked(told, spec):
        if mode not in allowed:
            raise ValueError(f"mode is {mode[:40]!r}; allowed are {', '.join(allowed)}")
        return mode
    is_newer = any("of-watchdog" in base for base in made.bases)
    return "streaming" if is_newer else CLASSIC


def asked(told: Mapping[str, str], spec: Spec) -> str:
    return spec.annotations.get(WATCHDOG) or told.get("mode", "")


def reads_port(folder: Path, process: str) -> bool:
    """Tell whether a file of the build that the process names speaks of $PORT: it is a server."""
    for word in shlex.split(at_home(process, folder)):
        file = folder / word
        if file.is_file() and file.resolve().is_relative_to(folder.resolve()):
            with file.open("rb") as opened:
                if PORT.search(opened.read(MAX_CODE_BYTES)):
                    return True
    return False


def names_watchdog(command: tuple[str, ...]) -> bool:
    return any(Path(word).name == "fwatchdog" for part in command for word in part.split())


def upstream_port(told: Mapping[str, str]) -> int:
    url = told.get("http_upstream_url") or told.get("upstream_url", "")
    match = UPSTREAM_PORT.fullmatch(url)
    port = int(match[1]) if match else 0
    if not 0 < port < 65536:
        raise ValueError(
            f"mode is http, and upstream_url is {url[:80]!r}; it must say where the process"
            " listens, such as http://127.0.0.1:5000"
        )
    return port


def in_home(folder: str) -> bool:
    return Path(folder).is_relative_to("/home/app")


def template(folder: Path) -> tuple[str, str]:
    """Return what template.yml says of language and process; nothing where there is none."""
    try:
        document = yaml.safe_load((folder / "template.yml").read_text())
    except FileNotFoundError:
        return "", ""
    except (OSError, UnicodeError, yaml.YAMLError) as error:
        raise ValueError(f"template.yml cannot be read: {error}") from error
    values = document if isinstance(document, dict) else {}
    return str(values.get("language") or ""), str(values.get("fprocess") or "")


def at_home(text: str, folder: Path) -> str:
    """Put the folder where a container has /home/app."""
    return CONTAINER_HOME.sub(lambda _: str(folder), text)
