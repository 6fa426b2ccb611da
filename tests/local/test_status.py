"""What `make status` tells of replicas and services."""

from __future__ import annotations

import re

from tests.local_stack import LocalStack
from tests.stack import until


def healthy_status(stack: LocalStack) -> str | None:
    status = stack.command("status")
    return status.stdout if status.returncode == 0 else None


def restarts(status: str) -> int:
    """How often image-results was restarted, as `make status` tells it."""
    told = re.search(r"image-results-\d+: [a-z ]+, (\d+) so far", status)
    return int(told[1]) if told else 0


def test_status_shows_that_a_replica_was_restarted(stack: LocalStack) -> None:
    # Other tests kill replicas of this stack too.
    before = restarts(until(lambda: healthy_status(stack)))
    assert stack.kill("image-results")

    told = until(lambda: now if (now := healthy_status(stack)) and restarts(now) > before else None)

    assert restarts(told) == before + 1
    assert "ended with status -9" in told


def test_the_reconciler_is_healthy(stack: LocalStack) -> None:
    status = until(lambda: healthy_status(stack))

    (line,) = (line for line in status.splitlines() if line.startswith("reconciler"))
    assert line.endswith("healthy")
