"""How long the gateway waits for an answer, and what it says when none has come."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest

from pipeline.limits import Limits
from tests.gateway import Gateway, running_gateway

SLOW = """
    import time

    def handle(event, context):
        time.sleep(60)
"""
USUAL_SECONDS = 1


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    told = {"REQUEST_TIMEOUT_SECONDS": str(USUAL_SECONDS)}
    with running_gateway(tmp_path_factory.mktemp("gateway"), **told) as running:
        yield running


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({"exec_timeout": "200ms"}, "0.2 s"),
        ({"exec_timeout": "3s"}, "3 s"),  # more than is usual
    ],
)
def test_the_number_of_the_function_comes_through(
    gateway: Gateway, variables: dict[str, str], said: str
) -> None:
    gateway.provider.deploy("slow", SLOW, envVars=variables)

    answer = gateway.ask("/function/slow")

    assert (answer.status, answer.code) == (504, "function-too-slow")
    assert f"longer than {said}" in answer.problem["detail"].replace("the ", "")


def test_one_that_says_nothing_has_the_usual_time(gateway: Gateway) -> None:
    """Its server is not told; the provider is."""
    gateway.provider.deploy("slow", SLOW, envVars={"EXEC_TIMEOUT": "default"})

    answer = gateway.ask("/function/slow")

    assert answer.status == 504
    assert f"longer than the {USUAL_SECONDS} s that it may" in answer.problem["detail"]


def test_a_provider_that_says_nothing_is_504_with_the_number(gateway: Gateway) -> None:
    process = gateway.provider.process
    assert process
    process.send_signal(signal.SIGSTOP)
    try:
        answer = gateway.ask("/api/v1/images", "POST", body=b"x")
    finally:
        process.send_signal(signal.SIGCONT)

    waited = Limits(request_timeout_seconds=USUAL_SECONDS).gateway_timeout_seconds
    assert (answer.status, answer.code) == (504, "function-too-slow")
    assert answer.problem["allowed"] == waited
    assert answer.problem["detail"] == f"no answer came within {waited} s"


def test_a_provider_that_is_gone_is_503(gateway: Gateway) -> None:
    gateway.provider.kill()

    answer = gateway.ask("/function/slow")

    assert (answer.status, answer.code) == (503, "unavailable")
    assert answer.headers["retry-after"] == "2"
    gateway.provider.start(REQUEST_TIMEOUT_SECONDS=str(USUAL_SECONDS))
