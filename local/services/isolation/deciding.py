"""Whether the processes of a stack can be users of their own here; found out by trying it."""

from __future__ import annotations

import compileall
import os
import shutil
import sys
from pathlib import Path

from local.machine.state import LAYERS
from local.services.fetch import debian, kafka_jars, minio_build
from local.services.isolation import numbers, ownership, record, view
from local.services.isolation.record import Isolation
from local.services.progress import say
from local.services.settings import ROOT, Stack

# Files that users name by the environment, which processes read.
_NAMED = ("OIDC_CA_FILE", "SERVICES_CA_FILE")
_CODE = ("pipeline", "consumers", "oidc", "imagectl", "gateway", "local")


def prepare(stack: Stack) -> Isolation:
    """Decide it for this start, and have every file belong to whom it must.

    Raises:
        StepFailed: there is no block of numbers left.
    """
    before = record.recorded(stack)
    absent = _why_not(stack)
    if absent:
        isolation = Isolation(absent=absent)
        if before is None or before.absent != absent:
            say(f"  Users: all processes run as whoever starts them: {absent}.")
    else:
        first = numbers.claim(stack, before.first if before else None)
        isolation = Isolation.of(first)
        is_new = before is None or before.first != first
        if is_new:
            say(
                "  Users: each process and each function is a user of its own"
                f" ({first} to {isolation.last}); its files become its own."
            )
        # Users share the code, and may not write what Python makes of it.
        for name in _CODE:
            compileall.compile_dir(ROOT / name, quiet=2)
        ownership.give_all(stack, isolation, is_new=is_new)
    record.write(stack, isolation)
    return isolation


def paths(stack: Stack) -> list[Path]:
    """What users need to reach, wherever it lies."""
    named = [Path(os.environ[name]) for name in _NAMED if os.environ.get(name)]
    programs = (minio_build.binary(stack), debian.nginx(stack), debian.redis_server())
    return [
        *(stack.state_dir, stack.cache_dir, stack.build_dir, ROOT),
        *(Path(sys.prefix), Path(sys.base_prefix), Path(sys.executable).resolve()),
        *(debian.java().parents[1], *programs, *named),
    ]


def _why_not(stack: Stack) -> str:
    if not stack.isolate:
        return "ISOLATE=0"
    if os.geteuid() != 0:
        return "only root may start processes as other users"
    for tool in ("setpriv", "nsenter"):
        if shutil.which(tool) is None:
            return f"{tool} is missing, of Debian's util-linux"
    try:
        return _tried(stack)
    except OSError as error:
        return str(error)


def _tried(stack: Stack) -> str:
    """Become a user in a child, and look whether all is there; tells what is wrong, or nothing."""
    stack.state_dir.mkdir(parents=True, exist_ok=True)
    for folder in (stack.state_dir, stack.cache_dir):
        folder.chmod(folder.stat().st_mode & 0o7777 | 0o011)
    for folder in (kafka_jars.folder(stack), stack.cache_dir / LAYERS):
        if folder.exists():  # made where their maker alone could read them
            folder.chmod(folder.stat().st_mode & 0o7777 | 0o055)
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(read)
        _try_and_end(stack, write)
    os.close(write)
    with open(read, encoding="utf-8", errors="replace") as file:
        said = file.read()
    os.waitpid(child, 0)
    return said


def _try_and_end(stack: Stack, write: int) -> None:
    """Never returns."""
    try:
        os.umask(0o022)
        wanted = view.everywhere(paths(stack))
        if any(map(view.blocked, wanted)):
            view.make(wanted)
        os.setgroups([])
        os.setgid(numbers.FIRST)
        os.setuid(numbers.FIRST)
        os.write(write, _unreadable(stack).encode())
    except BaseException as error:
        os.write(write, str(error).encode())
    finally:
        os._exit(0)


def _unreadable(stack: Stack) -> str:
    """Tell what this user cannot read of all that is shared."""
    jars = kafka_jars.folder(stack)
    code = [ROOT / name for name in _CODE] + [Path(__file__), Path(sys.prefix) / "lib"]
    for path in (*code, Path(sys.executable), *([jars] if jars.exists() else []), *paths(stack)):
        how = os.R_OK | os.X_OK if path.is_dir() else os.R_OK
        how = os.X_OK if path in (stack.state_dir, stack.cache_dir) else how
        if path == stack.build_dir:  # the provider's, which is root
            continue
        if path.exists() and not os.access(path, how):
            return f"others may not read {path}"
    return ""
