"""Our provider as the contract's door, with the mirror to deploy; alone, or with a queue."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.async_queue import PARTS
from tests.local_stack import unstarted_stack
from tests.openfaas.door import MIRROR, Door
from tests.provider import PASSWORD, TEMPLATE, USER, running_provider

MIRROR_FILE = Path(__file__).with_name("mirror.py")
IMAGE = f"{MIRROR}:1"
PROCESS = "python -S -E function/mirror.py"


@contextmanager
def our_door(folder: Path) -> Iterator[Door]:
    """Start a provider, and stop it."""
    with running_provider(folder) as provider:
        build(provider.build_dir)
        yield Door(provider.url, provider.url, (USER, PASSWORD), IMAGE, PROCESS)


@contextmanager
def our_door_with_a_queue(folder: Path) -> Iterator[Door]:
    """Start what of a stack the queue takes, and stop it."""
    settings = {"ASYNC_CALLBACK_URLS": "none yet: its port is not chosen"}
    with unstarted_stack(folder, settings) as stack:
        url = stack.provider_url
        callback_url = settings["ASYNC_CALLBACK_URLS"] = f"{url}/function/{MIRROR}"
        started = stack.command("up", "--only", *PARTS)
        assert started.returncode == 0, f"{started.stdout}\n{started.stderr}"
        build(stack.state_dir / "build")
        yield Door(url, url, stack.login, IMAGE, PROCESS, callback_url)


def build(folder: Path) -> None:
    """Put into a build folder what shrinkwrapping the mirror makes."""
    target = folder / MIRROR
    shutil.copytree(TEMPLATE, target, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(MIRROR_FILE, target / "function")
