"""What every test of the whole system begins with: all of it at work, whatever ran before."""

from __future__ import annotations

import json

import pytest

from tests.chaos import evidence
from tests.imagectl import imagectl
from tests.stack import Stack, until

_BACK_SECONDS = 180.0


@pytest.fixture(autouse=True)
def sound(stack: Stack) -> None:
    """Wait for what an earlier test killed, froze or deployed."""
    until(stack.is_sound, _BACK_SECONDS)


@pytest.fixture(scope="module")
def quiet(stack: Stack) -> None:
    """Nothing is under way, and nothing is left that would be sent again by itself."""
    until(stack.is_sound, _BACK_SECONDS)
    while True:
        evidence.drain(stack, 600)
        told = imagectl(stack, "reconcile", "--json", "--grace", "0")
        assert told.returncode == 0, told.stderr
        if not json.loads(told.stdout)["reEmitted"]:
            return
