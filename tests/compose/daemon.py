"""Docker for a test run: the one that runs, else one of our own that ends with the run."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from local.machine import addresses, files
from local.services.fetch import debian
from local.services.progress import StepFailed, run
from local.services.settings import Stack
from tests.compose.packet_filter import SBIN, PacketFilter

ANSWER_SECONDS = 120.0
START_SECONDS = 180.0
STOP_SECONDS = 60.0
TRIAL_SECONDS = 600.0
_LAST_LINES = 5


class NoDocker(Exception):
    """Docker neither runs nor can be started; the text says why, and what to do."""


def folder() -> Path:
    """Where our own daemon keeps images and layers, and what is made for them."""
    return Stack.from_env(os.environ).cache_dir / "docker"


def run_to_end(*words: str | Path, **given: object) -> subprocess.CompletedProcess[str]:
    """Run one docker command; a failure shows what it said."""
    done: subprocess.CompletedProcess[str] = subprocess.run(
        ["docker", *words], capture_output=True, text=True, errors="replace", **given
    )  # type: ignore[call-overload]
    if done.returncode:
        said = addresses.hide(f"{done.stdout}{done.stderr}".strip())
        raise AssertionError(f"docker {' '.join(map(str, words))}: {said}")
    return done


def call(*words: str | Path, **given: object) -> str:
    """Run one docker command and return what it printed; a failure shows what it said."""
    return run_to_end(*words, **given).stdout.strip()


def answers() -> bool:
    """Tell whether a daemon answers to this machine's docker command."""
    if shutil.which("docker") is None:
        return False
    command = ["docker", "version"]
    asked = subprocess.run(command, capture_output=True, timeout=ANSWER_SECONDS)
    return asked.returncode == 0


def try_out(image: str) -> None:
    """Run a container of an image with pip, and build on it.

    Raises:
        NoDocker: this machine cannot; the text says which of the two, and why.
    """
    recipe = f"FROM {image}\nRUN pip download -q --no-deps -d /tmp/trial waitress\n"
    what = "no container runs"
    try:
        call("run", "--rm", image, "true", timeout=TRIAL_SECONDS)
        what = "no image is built with a package from the index"
        built = call("build", "-q", "--no-cache", "-", input=recipe, timeout=TRIAL_SECONDS)
        call("image", "rm", built)
    except (AssertionError, subprocess.TimeoutExpired) as error:
        raise NoDocker(f"docker answers here, but {what}: {error}") from error


@contextmanager
def running() -> Iterator[None]:
    """Have a daemon: the one that runs, or one that is started here and ended afterwards.

    Raises:
        NoDocker: there is none, and it cannot be started.
    """
    folder().mkdir(parents=True, exist_ok=True)
    with (folder() / "users").open("w") as users:
        with files.lock(folder() / "lock"):
            before = PacketFilter.now()
            process = None if answers() else _start()
            fcntl.flock(users, fcntl.LOCK_SH)
        try:
            yield
        finally:
            fcntl.flock(users, fcntl.LOCK_UN)
            if process:
                with files.lock(folder() / "lock"):
                    fcntl.flock(users, fcntl.LOCK_EX)  # another run may have come to use it
                    _stop(process)
                    before.restore()


def _start() -> subprocess.Popen[bytes] | None:
    if os.geteuid() != 0:
        raise NoDocker("no Docker daemon answers, and only root can start one: start yours first")
    _install()
    if answers():
        return None  # where there is an init system, the package has started it
    binary = _dockerd()
    assert binary
    with tempfile.NamedTemporaryFile(prefix="dockerd-", suffix=".log", delete=False) as log:
        process = subprocess.Popen(
            [
                # It ends with this run, also when the run is killed.
                *(str(debian.setpriv()), "--pdeathsig", "TERM", "--", binary),
                *("--data-root", folder() / "root", "--exec-root", folder() / "exec"),
                *("--pidfile", folder() / "dockerd.pid"),
            ],
            env={**os.environ, "PATH": f"{os.environ['PATH']}:{SBIN}"},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    deadline = time.monotonic() + START_SECONDS
    try:
        while not answers():
            if process.poll() is not None or time.monotonic() > deadline:
                _stop(process)
                lines = Path(log.name).read_text(errors="replace").splitlines()[-_LAST_LINES:]
                said = addresses.hide(" | ".join(lines))
                raise NoDocker(f"dockerd could not be started here; it said: {said}")
            time.sleep(0.1)
    finally:
        os.unlink(log.name)
    _clear()
    return process


def _clear() -> None:
    """Remove what a run left that was killed: docker starts such containers again."""
    if left := call("ps", "--all", "--quiet").split():
        call("rm", "--force", "--volumes", *left)
    call("volume", "prune", "--force")
    call("network", "prune", "--force")


def _stop(process: subprocess.Popen[bytes]) -> None:
    """End the daemon, which ends its containerd; containers were ended by who started them."""
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    # It leaves its network namespace mounted, and nobody could remove the folder.
    for mounted in (folder() / "exec" / "netns").glob("*"):
        subprocess.call(["umount", mounted], stderr=subprocess.DEVNULL)


def _dockerd() -> str | None:
    return shutil.which("dockerd", path=f"{os.environ['PATH']}:{SBIN}")


def _install() -> None:
    if _dockerd() and shutil.which("docker"):
        return
    install("docker.io")
    if not _dockerd():
        raise NoDocker("Debian's docker.io holds no dockerd: install Docker and start it")


def install(*packages: str) -> None:
    """Install some of Debian's packages, upgrading nothing.

    Raises:
        NoDocker: apt-get could not.
    """
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    words = ("install", "-y", "--no-upgrade", "--no-install-recommends", *packages)
    wait = ("-o", "DPkg::Lock::Timeout=120")
    try:
        run("Debian: reading the package lists", ["apt-get", "-q", *wait, "update"])
        run(
            f"Debian: installing {', '.join(packages)}",
            ["apt-get", "-q", *wait, *words],
            environment=environment,
            may_end=False,
        )
    except (StepFailed, OSError) as error:
        raise NoDocker(f"{', '.join(packages)} could not be installed: {error}") from error
