"""A backlog and requests find more replicas, and idle functions give them up, on a whole stack."""

from __future__ import annotations

import http
import subprocess
import sys
from collections.abc import Iterator
from functools import partial

import pytest
import requests

from bench.load.arrivals import Arrivals
from bench.load.client import Client, upload_all
from bench.load.drain import Drain
from bench.measuring.stubs import stub_stack
from bench.stacks.beside import looking_on
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


RESULTS = "image-results"
LABELS = {
    "com.openfaas.scale.type": "rps",
    "com.openfaas.scale.target": "1",
    "com.openfaas.scale.max": "2",
    "com.openfaas.scale.zero": "true",
    "com.openfaas.scale.zero-duration": "5s",
}

Started = tuple[BenchStack, Drain, Functions]


@pytest.fixture(scope="module")
def started() -> Iterator[Started]:
    with stub_stack(MOST, **SETTINGS) as found:
        yield found


def test_backlog_gets_the_replicas_that_are_allowed_and_idleness_gives_them_up(
    started: Started,
) -> None:
    stack, drain, functions = started
    with Arrivals(stack.settings) as arrivals:
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


def test_requests_get_the_replicas_that_they_need_and_none_are_left_without_any(
    started: Started,
) -> None:
    stack, _, functions = started
    functions.give(RESULTS, {}, labels=LABELS)

    with looking_on(partial(ask, stack), 0.05):
        until(lambda: wanted(functions, RESULTS) == 2)
    until(lambda: wanted(functions, RESULTS) == 0)

    # Without a token: it is the function that says so, which the request has woken.
    assert ask(stack) == http.HTTPStatus.UNAUTHORIZED


def ask(stack: BenchStack) -> int:
    url = f"http://127.0.0.1:{stack.ports['PROVIDER']}/function/{RESULTS}"
    return requests.get(url, timeout=60).status_code


def wanted(functions: Functions, name: str = CLASSIFIER) -> int:
    return int(functions.status(name)["replicas"])


def status(stack: BenchStack, words: str) -> str | None:
    """The line of `make status` in which these words are."""
    command = [sys.executable, "-m", "local.services", "status"]
    told = subprocess.run(command, cwd=ROOT, env=stack.environment, capture_output=True, text=True)
    return next((line for line in told.stdout.splitlines() if words in line), None)
