"""Functions stay in service: crashes, and restarts of the provider."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from local.machine import processes
from tests.provider import PATIENCE_SECONDS, Provider, eventually, running_provider

HANDLER = """
    import time
    from pathlib import Path

    def handle(event, context):
        if event.path == "/wait":
            path = Path(event.body.decode())
            path.with_suffix(".begun").touch()
            while not path.exists():
                time.sleep(0.01)
        return "one"
"""


@pytest.fixture
def provider(tmp_path: Path) -> Iterator[Provider]:
    with running_provider(tmp_path) as one:
        yield one


def pids(provider: Provider, name: str = "echo") -> set[int]:
    return {run["pid"] for run in provider.replicas(name).values()}


def test_killed_replica_is_replaced_and_the_next_request_answered(provider: Provider) -> None:
    provider.deploy("echo", HANDLER)
    (pid,) = pids(provider)

    os.kill(pid, signal.SIGKILL)
    answer = provider.invoke("echo")

    assert (answer.status_code, answer.text) == (200, "one")
    (run,) = provider.replicas("echo").values()
    assert run["pid"] != pid
    assert run["restarts"] == 1


def test_request_of_a_killed_replica_is_answered_by_another(
    provider: Provider, tmp_path: Path
) -> None:
    provider.deploy("echo", HANDLER)
    (first,) = pids(provider)

    with provider.waiting("echo/wait", tmp_path / "may-end") as waiting:
        provider.system("POST", "/scale-function/echo", {"replicas": 2})
        eventually(lambda: provider.describe("echo")["availableReplicas"] == 2)
        os.kill(first, signal.SIGKILL)

    assert waiting.result().status_code == 200


def test_restarted_provider_finds_its_functions_again(provider: Provider) -> None:
    provider.add_secret("api-key", "the key")
    provider.deploy("echo", HANDLER, secrets=["api-key"])
    provider.system("POST", "/scale-function/echo", {"replicas": 2})
    provider.invoke("echo")
    eventually(lambda: len(provider.replicas("echo")) == 2)
    before = pids(provider)

    status = provider.stop()
    left = [pid for pid in before if processes.start_time(pid)]
    provider.start()
    eventually(lambda: provider.describe("echo")["availableReplicas"] == 2)

    assert (status, left) == (0, [])
    assert provider.describe("echo")["invocationCount"] == 1
    assert provider.invoke("echo").text == "one"


def test_stopping_provider_answers_what_it_has_taken(provider: Provider, tmp_path: Path) -> None:
    provider.deploy("echo", HANDLER)
    assert provider.process is not None

    with provider.waiting("echo/wait", tmp_path / "may-end") as waiting:
        provider.process.send_signal(signal.SIGTERM)
        eventually(lambda: "provider stopping" in (tmp_path / "provider.log").read_text())

    assert waiting.result().text == "one"
    assert provider.process.wait(PATIENCE_SECONDS) == 0


def test_killed_provider_takes_its_replicas_along(provider: Provider) -> None:
    provider.deploy("echo", HANDLER)
    (pid,) = pids(provider)

    provider.kill()
    eventually(lambda: processes.start_time(pid) is None)  # a zombie has ended, too
    provider.start()
    eventually(lambda: provider.is_settled("echo"))

    assert provider.invoke("echo").text == "one"
    assert len(provider.replicas("echo")) == 1


def test_second_provider_with_the_same_folders_does_not_start(
    provider: Provider, tmp_path: Path
) -> None:
    second = Provider(tmp_path)

    try:
        with pytest.raises(AssertionError, match="another provider runs with STATE_DIR"):
            second.start()
    finally:
        second.stop()


def test_replica_that_hangs_at_sigterm_is_killed_and_its_log_kept(provider: Provider) -> None:
    stubborn = """
        import signal
        print("it will not stop")
        def handle(event, context):
            return "one"
        def close():
            signal.pause()
    """
    provider.deploy("echo", stubborn)
    (pid,) = pids(provider)

    provider.stop()

    assert processes.start_time(pid) is None
    assert "it will not stop" in (provider.state_dir / "logs" / "echo-1.log").read_text()
