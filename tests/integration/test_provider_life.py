"""Functions stay in service: updates, crashes, restarts of the provider."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event

import pytest

from local.services import processes
from tests.provider import PATIENCE_SECONDS, Provider, eventually, running_provider

HANDLER = """
    import os, time
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
    with running_provider(tmp_path, PROVIDER_ROLLOUT_SECONDS="5") as one:
        yield one


def pids(provider: Provider, name: str = "echo") -> set[int]:
    return {run["pid"] for run in provider.replicas(name).values()}


def update(provider: Provider, handler: str) -> None:
    provider.build("echo", handler)
    answer = provider.system("PUT", "/functions", {"service": "echo", "image": "echo"})
    assert answer.status_code == 202


def rollout(provider: Provider) -> str:
    text: str = provider.describe("echo")["annotations"].get("com.openfaas.local.rollout", "")
    return text


def test_update_under_load_loses_no_request(provider: Provider) -> None:
    provider.deploy("echo", HANDLER, labels={"com.openfaas.scale.min": "2"})
    is_over = Event()

    def call_until_over() -> list[tuple[int, str]]:
        answers = []
        while not is_over.is_set():
            answer = provider.invoke("echo")
            answers.append((answer.status_code, answer.text))
        return answers

    with ThreadPoolExecutor() as threads:
        clients = [threads.submit(call_until_over) for _ in range(3)]
        provider.deploy("echo", VERSION_TWO, labels={"com.openfaas.scale.min": "2"})
        eventually(lambda: len(provider.replicas("echo")) == 2)
        is_over.set()

    answers = [answer for client in clients for answer in client.result()]
    assert {status for status, _ in answers} == {200}
    assert {text for _, text in answers} == {"one", "two"}
    assert provider.invoke("echo").text == "two"


def test_request_in_flight_is_answered_by_the_version_that_took_it(
    provider: Provider, tmp_path: Path
) -> None:
    provider.deploy("echo", HANDLER)
    may_end = tmp_path / "may-end"
    with ThreadPoolExecutor() as threads:
        waiting = threads.submit(provider.invoke, "echo/wait", data=str(may_end))
        eventually(may_end.with_suffix(".begun").exists)

        provider.deploy("echo", VERSION_TWO)
        meanwhile = provider.invoke("echo").text
        may_end.touch()

    assert (meanwhile, waiting.result().text) == ("two", "one")
    eventually(lambda: len(provider.replicas("echo")) == 1)


def test_running_version_does_not_change_when_it_is_built_anew(provider: Provider) -> None:
    provider.deploy("echo", HANDLER)
    provider.build("echo", VERSION_TWO)
    (pid,) = pids(provider)

    os.kill(pid, signal.SIGKILL)

    assert provider.invoke("echo").text == "one"


@pytest.mark.parametrize(
    ("handler", "reason"),
    [(BROKEN, "RuntimeError: cannot be imported"), (NEVER_READY, "not ready within 5 s")],
)
def test_update_that_never_becomes_ready_leaves_the_old_version_in_service(
    provider: Provider, handler: str, reason: str
) -> None:
    provider.deploy("echo", HANDLER)

    update(provider, handler)
    failure = eventually(lambda: rollout(provider).startswith("failed") and rollout(provider))

    assert reason in str(failure)
    assert provider.invoke("echo").text == "one"
    eventually(lambda: len(provider.replicas("echo")) == 1)
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
    may_end = tmp_path / "may-end"
    with ThreadPoolExecutor() as threads:
        waiting = threads.submit(provider.invoke, "echo/wait", data=str(may_end))
        eventually(may_end.with_suffix(".begun").exists)
        provider.system("POST", "/scale-function/echo", {"replicas": 2})
        eventually(lambda: provider.describe("echo")["availableReplicas"] == 2)

        os.kill(first, signal.SIGKILL)
        may_end.touch()

    assert waiting.result().status_code == 200


def test_restarted_provider_finds_its_functions_again(provider: Provider) -> None:
    provider.add_secret("api-key", "the key")
    provider.deploy("echo", HANDLER, secrets=["api-key"])
    provider.system("POST", "/scale-function/echo", {"replicas": 2})
    provider.invoke("echo")
    eventually(lambda: len(provider.replicas("echo")) == 2)
    before = pids(provider)

    status = provider.stop()
    left = [pid for pid in before if Path(f"/proc/{pid}").exists()]
    provider.start()
    eventually(lambda: provider.describe("echo")["availableReplicas"] == 2)

    assert (status, left) == (0, [])
    assert provider.describe("echo")["invocationCount"] == 1
    assert provider.invoke("echo").text == "one"


def test_stopping_provider_answers_what_it_has_taken(provider: Provider, tmp_path: Path) -> None:
    provider.deploy("echo", HANDLER)
    may_end = tmp_path / "may-end"
    with ThreadPoolExecutor() as threads:
        waiting = threads.submit(provider.invoke, "echo/wait", data=str(may_end))
        eventually(may_end.with_suffix(".begun").exists)
        assert provider.process is not None

        provider.process.send_signal(signal.SIGTERM)
        eventually(lambda: "provider stopping" in (tmp_path / "provider.log").read_text())
        may_end.touch()

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

    with pytest.raises(AssertionError, match="another provider runs with STATE_DIR"):
        second.start()
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

    assert not Path(f"/proc/{pid}").exists()
    assert "it will not stop" in (provider.state_dir / "logs" / "echo-1.log").read_text()
