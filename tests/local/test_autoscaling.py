"""A backlog finds more replicas, and an idle function gives them up, on a whole stack."""

from __future__ import annotations

import subprocess
import sys

from bench.load.arrivals import Arrivals
from bench.load.client import Client, upload_all
from bench.measuring.stubs import stub_stack
from bench.stacks.functions import CLASSIFIER, Functions
from bench.stacks.stack import CONSUMER, BenchStack
from tests.stack import ROOT, until

# A replica takes 50 ms an image: 30 s of work, which is wanted done in one.
IMAGES = 600
MOST = 3
SETTINGS = {
    "AUTOSCALE": "1",
    "AUTOSCALER_DRAIN_SECONDS": "1",
    "AUTOSCALER_COOL_DOWN_SECONDS": "3",
}


def test_backlog_gets_the_replicas_that_are_allowed_and_idleness_gives_them_up() -> None:
    with (
        stub_stack(MOST, **SETTINGS) as (stack, drain, functions),
        Arrivals(stack.settings) as arrivals,
    ):
        # A busy machine may take images as slowly as a replica works: there would be no backlog.
        with stack.frozen(CONSUMER):
            uploaded = upload_all(Client(stack), drain.new_images(), IMAGES, threads=4)
        until(lambda: wanted(functions) == MOST)
        # `make status` takes its time to look: the backlog waits for it.
        with stack.frozen(CONSUMER):
            said = until(lambda: status(stack, f", cap {MOST}, clear in "))
        drain.check(arrivals, uploaded.jobs)
        until(lambda: wanted(functions) == 1)

    assert "healthy: need " in said


def wanted(functions: Functions) -> int:
    return int(functions.status(CLASSIFIER)["replicas"])


def status(stack: BenchStack, words: str) -> str | None:
    """The line of `make status` in which these words are."""
    command = [sys.executable, "-m", "local.services", "status"]
    told = subprocess.run(command, cwd=ROOT, env=stack.environment, capture_output=True, text=True)
    return next((line for line in told.stdout.splitlines() if words in line), None)
