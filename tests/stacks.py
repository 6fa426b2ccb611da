"""Which kind of stack a run is about: what GATEWAY_URL names is in containers, else processes."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.compose.project import given_project, running_project
from tests.compose.stack import MOUNTED
from tests.local_stack import made_shared, running_stack
from tests.stack import Stack

# In a setting of `own_stack`: the folder that it shares with tests, as its processes call it.
SHARED = "{shared}"


@contextmanager
def shared_stack(folder: Path) -> Iterator[Stack]:
    """The stack that tests share: the one behind GATEWAY_URL, or one that is started for them."""
    if url := os.environ.get("GATEWAY_URL"):
        yield given_project(url)
    else:
        with running_stack(folder) as stack:
            yield stack


@contextmanager
def own_stack(folder: Path, **settings: str) -> Iterator[Stack]:
    """A new stack of the same kind, with these settings for its services and the consumer."""
    in_containers = bool(os.environ.get("GATEWAY_URL"))
    shared = MOUNTED if in_containers else str(made_shared(folder))
    given = {name: text.replace(SHARED, shared) for name, text in settings.items()}
    start = running_project(folder, given) if in_containers else running_stack(folder, None, given)
    with start as stack:
        yield stack
