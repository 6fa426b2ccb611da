"""Debian's packages: which are missing, how they are installed, and Nginx without its service."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from local.machine import files
from local.services.progress import StepFailed, run
from local.services.settings import Stack

# What a program is called, where Debian puts it (also when PATH hides it), and its package.
_JAVA_PACKAGE = "openjdk-17-jre-headless"
_MAVEN = ("mvn", "usr/share/maven/bin/mvn", "maven")
_REDIS = ("redis-server", "usr/bin/redis-check-rdb", "redis-tools")
_CHROMIUM = ("chromium", "usr/bin/chromium", "chromium")
# Of the same shapes on every machine, as people look at screenshots.
_FONTS = "fonts-liberation"
_SETPRIV = ("setpriv", "usr/bin/setpriv", "util-linux")
# What a machine needs of Debian's that has all the rest in its cache.
FOR_CACHE = (_JAVA_PACKAGE, _REDIS[2], "python3-venv", _SETPRIV[2])
_NGINX_PACKAGES = ("nginx", "libnginx-mod-http-js")
_NGINX = Path("usr/sbin/nginx")
_NGINX_JS = Path("usr/lib/nginx/modules/ngx_http_js_module.so")
_OLDEST_JAVA = 17  # Kafka 4 runs on no older one
_JAVA_VERSION = re.compile(r'^JAVA_VERSION="(\d+)', re.MULTILINE)


def find(name: str, debian_pattern: str) -> Path | None:
    """A program on PATH, else where Debian's package puts it."""
    on_path = shutil.which(name)
    if on_path:
        return Path(on_path)
    return next(iter(sorted(Path("/").glob(debian_pattern))), None)


def java() -> Path:
    """The first JVM that is new enough for Kafka, its links resolved."""
    found = _find_java()
    if found is None:
        raise StepFailed(f"Java 17 is not installed (Debian's {_JAVA_PACKAGE}): run `make up`")
    return found


def maven() -> Path:
    return _required(_MAVEN)


def redis_server() -> Path:
    """The Redis server; redis-tools holds it under the name of its checker."""
    return _required(_REDIS)


def chromium(stack: Stack) -> Path:
    """Chromium, which tests alone use: the first of them has it installed.

    Raises:
        StepFailed: apt-get failed, or may not be run.
    """
    with files.lock(stack.cache_dir / "apt.lock"):
        if not find(*_CHROMIUM[:2]):
            _read_lists([_CHROMIUM[2]])
            _install([_CHROMIUM[2], _FONTS])
    return _required(_CHROMIUM)


def setpriv() -> Path:
    return _required(_SETPRIV)


def nginx(stack: Stack) -> Path:
    """Nginx: Debian's with its JavaScript module, or both unpacked in the cache by `install`."""
    return _nginx_root(stack) / _NGINX


def nginx_js(stack: Stack) -> Path:
    """The JavaScript module that fits this Nginx."""
    return _nginx_root(stack) / _NGINX_JS


def _nginx_root(stack: Stack) -> Path:
    """Where both are: a module is loaded by no Nginx but that it was built for."""
    installed = all((Path("/") / each).exists() for each in (_NGINX, _NGINX_JS))
    return Path("/") if installed else stack.cache_dir / "nginx-js"


def install(stack: Stack, *, for_jars: bool) -> None:
    """Install what is missing, and nothing that starts a service.

    Args:
        for_jars: whether Kafka's jars are still to be fetched, for which alone Maven is there.

    Raises:
        StepFailed: apt-get failed, or may not be run.
    """
    programs = (_SETPRIV, _REDIS, *([_MAVEN] if for_jars else []))
    packages = [row[2] for row in programs if not find(*row[:2])]
    if _find_java() is None:
        packages.append(_JAVA_PACKAGE)
    if importlib.util.find_spec("ensurepip") is None:
        packages.append("python3-venv")
    with files.lock(stack.cache_dir / "apt.lock"):
        without_nginx = not nginx(stack).exists()
        if packages or without_nginx:
            _read_lists([*packages, *(_NGINX_PACKAGES if without_nginx else ())])
        if packages:
            _install(packages)
        if without_nginx:
            _unpack_nginx(_nginx_root(stack))


def _install(packages: list[str]) -> None:
    _apt(
        f"Debian: installing {', '.join(packages)}",
        *("install", "-y", "--no-upgrade", "--no-install-recommends", *packages),
    )


def _read_lists(wanted: list[str]) -> None:
    try:
        _apt("Debian: reading the package lists", "update")
    except StepFailed as error:
        raise StepFailed(
            f"{error}\nWhat is missing here: {', '.join(wanted)}. Without a network install it from"
            " a medium of Debian's; Nginx may come with the cache (docs/air-gapped.md)."
        ) from error


def _find_java() -> Path | None:
    on_path = shutil.which("java")
    candidates = [Path(on_path)] if on_path else []
    for candidate in [*candidates, *sorted(Path("/usr/lib/jvm").glob("*/bin/java"))]:
        binary = candidate.resolve()
        release = binary.parents[1] / "release"
        version = _JAVA_VERSION.search(release.read_text() if release.exists() else "")
        if version and int(version[1]) >= _OLDEST_JAVA:
            return binary
    return None


def _required(program: tuple[str, str, str]) -> Path:
    name, pattern, package = program
    found = find(name, pattern)
    if found is None:
        raise StepFailed(f"{name} is not installed (Debian's {package}): run `make up`")
    return found


def _apt(title: str, *arguments: str) -> None:
    command = ["apt-get", "-q", "-o", "DPkg::Lock::Timeout=120", *arguments]
    if os.geteuid() != 0:
        if not shutil.which("sudo"):
            raise StepFailed(f"{title}: needs root or sudo; as root: {' '.join(command)}")
        command = ["sudo", "DEBIAN_FRONTEND=noninteractive", *command]
    # Broken off, it would leave packages half installed.
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    run(title, command, environment=environment, may_end=False)


def _unpack_nginx(folder: Path) -> None:
    """Take the binary out of its package: installing that would start a server on port 80."""
    unfinished = Path(tempfile.mkdtemp(prefix="nginx.", dir=folder.parent))
    unfinished.chmod(0o755)
    try:
        run(
            "Nginx: downloading Debian's packages",
            ["apt-get", "download", *_NGINX_PACKAGES],
            folder=unfinished,
        )
        for package in sorted(unfinished.glob("*.deb")):
            run("Nginx: unpacking", ["dpkg", "-x", package, unfinished])
            package.unlink()
        for binary in (_NGINX, _NGINX_JS):
            _check_libraries(unfinished / binary)
        unfinished.rename(folder)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def _check_libraries(binary: Path) -> None:
    listing = subprocess.run(["ldd", binary], capture_output=True, text=True, check=True).stdout
    missing = [line.split()[0] for line in listing.splitlines() if "not found" in line]
    if missing:
        raise StepFailed(f"Nginx needs libraries that are not installed: {', '.join(missing)}")
