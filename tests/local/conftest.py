"""What is particular to processes on one machine: make's commands, run files, the supervisor."""

from __future__ import annotations

import pytest

from tests.local_stack import LocalStack
from tests.stack import Stack


@pytest.fixture(scope="session")
def stack(stack: Stack) -> LocalStack:
    """The stack that tests share, where it is a local one."""
    assert isinstance(stack, LocalStack), (
        "tests/local is about processes: run it without GATEWAY_URL"
    )
    return stack
