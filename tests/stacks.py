"""Which kind of stack a run is about: a release in a cluster, containers, or processes."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.compose.project import given_project, running_project
from tests.compose.stack import MOUNTED
from tests.kubernetes import release, sharing
from tests.kubernetes.stack import RELEASE_FOLDER, KubernetesStack
from tests.local_stack import made_shared, running_stack
from tests.stack import Stack

# In a setting of `own_stack`: the folder that it shares with tests, as its processes call it.
SHARED = "{shared}"


@contextmanager
def shared_stack(folder: Path) -> Iterator[Stack]:
    """The stack that tests share: that of RELEASE_FOLDER or of GATEWAY_URL, or a new one."""
    if os.environ.get(RELEASE_FOLDER):
        yield KubernetesStack.from_env()
    elif url := os.environ.get("GATEWAY_URL"):
        yield given_project(url)
    else:
        with running_stack(folder) as stack:
            yield stack


@contextmanager
def own_stack(folder: Path, **settings: str) -> Iterator[Stack]:
    """A new stack of the same kind, with these settings for its services and the consumer.

    In a cluster it is the one that there is, for so long.
    """
    if os.environ.get(RELEASE_FOLDER):
        there = KubernetesStack.from_env()
        sharing.share(there.api, "image-process-consumer")
        values = {name: settings.pop(name) for name in release.PART_VALUES if name in settings}
        given = {name: text.replace(SHARED, sharing.MOUNTED) for name, text in settings.items()}
        with (
            release.settled(os.environ, values),
            # One, as any other stack of a test's own has.
            there.scaled("image-process-consumer", 1),
            there.given("image-process-consumer", **given),
            # What the tests give the function is taken back, too.
            there.given("image-upload"),
        ):
            yield there
        return
    in_containers = bool(os.environ.get("GATEWAY_URL"))
    shared = MOUNTED if in_containers else str(made_shared(folder))
    given = {name: text.replace(SHARED, shared) for name, text in settings.items()}
    start = running_project(folder, given) if in_containers else running_stack(folder, None, given)
    with start as stack:
        yield stack
