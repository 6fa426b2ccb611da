"""Functions stay in service while another version of them is deployed, whether it works or not."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event

import pytest

from tests.provider import Provider, eventually, running_provider

HANDLER = """
    import time
    from pathlib import Path

    VERSION = "one"

    def handle(event, context):
        if event.path == "/wait":
            path = Path(event.body.decode())
            path.with_suffix(".begun").touch()
            while not path.exists():
                time.sleep(0.01)
        return VERSION
"""
VERSION_TWO = HANDLER.replace('"one"', '"two"')
BROKEN = "raise RuntimeError('cannot be imported')"
NEVER_READY = HANDLER + "\n    def ready(): return 'the model is not loaded'"


@pytest.fixture
def provider(tmp_path: Path) -> Iterator[Provider]:
    with running_provider(tmp_path) as one:
        yield one


def update(provider: Provider, handler: str) -> None:
    provider.build("echo", handler)
    answer = provider.system("PUT", "/functions", {"service": "echo", "image": "echo"})
    assert answer.status_code == 202


def rollout(provider: Provider) -> str:
    text: str = provider.describe("echo")["annotations"].get("com.openfaas.local.rollout", "")
    return text


def failure(provider: Provider) -> str:
    """Wait until the update has failed, and return why."""
    return str(eventually(lambda: rollout(provider).startswith("failed") and rollout(provider)))


def test_update_under_load_loses_no_request(provider: Provider) -> None:
    provider.deploy("echo", HANDLER, labels={"com.openfaas.scale.min": "2"})
    is_over = Event()
    answers: list[tuple[int, str]] = []

    def call_until_over() -> None:
        while not is_over.is_set():
            answer = provider.invoke("echo")
            answers.append((answer.status_code, answer.text))

    with ThreadPoolExecutor() as threads:
        clients = [threads.submit(call_until_over) for _ in range(3)]
        try:
            eventually(lambda: (200, "one") in answers)
            provider.deploy("echo", VERSION_TWO, labels={"com.openfaas.scale.min": "2"})
            eventually(lambda: len(provider.replicas("echo")) == 2)
            eventually(lambda: (200, "two") in answers)
        finally:
            is_over.set()

    assert [client.result() for client in clients] == [None] * 3
    assert {status for status, _ in answers} == {200}
    assert {text for _, text in answers} == {"one", "two"}
    assert provider.invoke("echo").text == "two"


def test_request_in_flight_is_answered_by_the_version_that_took_it(
    provider: Provider, tmp_path: Path
) -> None:
    provider.deploy("echo", HANDLER)

    with provider.waiting("echo/wait", tmp_path / "may-end") as waiting:
        provider.deploy("echo", VERSION_TWO)
        meanwhile = provider.invoke("echo").text

    assert (meanwhile, waiting.result().text) == ("two", "one")
    eventually(lambda: len(provider.replicas("echo")) == 1)


def test_running_version_does_not_change_when_it_is_built_anew(provider: Provider) -> None:
    provider.deploy("echo", HANDLER)
    provider.build("echo", VERSION_TWO)
    (run,) = provider.replicas("echo").values()

    os.kill(run["pid"], signal.SIGKILL)

    assert provider.invoke("echo").text == "one"


def test_update_that_cannot_start_leaves_the_old_version_in_service(provider: Provider) -> None:
    provider.deploy("echo", HANDLER)

    update(provider, BROKEN)

    assert "RuntimeError: cannot be imported" in failure(provider)
    assert provider.invoke("echo").text == "one"
    eventually(lambda: len(provider.replicas("echo")) == 1)
    provider.deploy("echo", VERSION_TWO)
    assert provider.invoke("echo").text == "two"


def test_update_that_never_becomes_ready_leaves_the_old_version_in_service(tmp_path: Path) -> None:
    with running_provider(
        tmp_path, PROVIDER_ROLLOUT_SECONDS="5", REQUEST_TIMEOUT_SECONDS="4"
    ) as provider:
        provider.deploy("echo", HANDLER)

        update(provider, NEVER_READY)

        assert "not ready within 5 s" in failure(provider)
        assert provider.invoke("echo").text == "one"
        eventually(lambda: len(provider.replicas("echo")) == 1)
        # The version that mends it may take as long as it needs.
        provider.stop()
        provider.start()
        provider.deploy("echo", VERSION_TWO)
        assert provider.invoke("echo").text == "two"


def test_function_that_cannot_start_says_why_and_can_be_mended(provider: Provider) -> None:
    provider.build("echo", BROKEN)
    provider.system("POST", "/functions", {"service": "echo", "image": "echo"})
    eventually(lambda: "RuntimeError: cannot be imported" in rollout(provider))

    provider.deploy("echo", VERSION_TWO)

    assert provider.invoke("echo").text == "two"


def test_newer_update_takes_the_place_of_one_that_is_not_ready(provider: Provider) -> None:
    provider.deploy("echo", HANDLER)
    update(provider, NEVER_READY)

    provider.deploy("echo", VERSION_TWO)

    assert provider.invoke("echo").text == "two"
    eventually(lambda: len(provider.replicas("echo")) == 1)
    eventually(lambda: len([*(provider.state_dir / "provider" / "versions").iterdir()]) == 1)
