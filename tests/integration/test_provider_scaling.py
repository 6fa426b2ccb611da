"""OpenFaaS' labels: how many replicas there may be, none included, and what each may be given."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.provider import Provider, eventually, running_provider

# /wait answers when a file appears.
HANDLER = """
    import os, time
    from pathlib import Path

    def handle(event, context):
        if event.path == "/wait":
            path = Path(event.body.decode())
            path.with_suffix(".begun").touch()
            while not path.exists():
                time.sleep(0.01)
        return str(os.getpid())
"""
SLEEPER = {"com.openfaas.scale.zero": "true"}


@pytest.fixture
def provider(tmp_path: Path) -> Iterator[Provider]:
    with running_provider(tmp_path) as one:
        yield one


def scale(provider: Provider, replicas: int) -> int:
    path = "/scale-function/echo"
    answer = provider.system("POST", path, {"serviceName": "echo", "replicas": replicas})
    assert answer.status_code == 202
    wanted: int = provider.describe("echo")["replicas"]
    eventually(lambda: len(provider.replicas("echo")) == wanted)
    return wanted


def test_scaling_stays_between_the_labels(provider: Provider) -> None:
    labels = {"com.openfaas.scale.min": "2", "com.openfaas.scale.max": "3"}
    provider.deploy("echo", HANDLER, labels=labels)

    assert [scale(provider, replicas) for replicas in (0, 1, 3, 20)] == [2, 2, 3, 3]


def test_update_brings_the_replicas_within_new_labels(provider: Provider) -> None:
    provider.deploy("echo", HANDLER)
    scale(provider, 3)

    provider.deploy("echo", labels={"com.openfaas.scale.max": "2"})

    assert provider.describe("echo")["replicas"] == 2


def test_sleeping_function_wakes_for_its_next_request(provider: Provider) -> None:
    provider.deploy("echo", HANDLER, labels={**SLEEPER, "com.openfaas.scale.min": "2"})
    assert scale(provider, 0) == 0

    with ThreadPoolExecutor() as threads:
        answers = list(threads.map(lambda _: provider.invoke("echo"), range(5)))

    assert [answer.status_code for answer in answers] == [200] * 5
    assert provider.describe("echo")["replicas"] == 2


def test_sleeping_function_stays_asleep_over_a_restart(provider: Provider) -> None:
    provider.deploy("echo", HANDLER, labels=SLEEPER)
    scale(provider, 0)

    provider.stop()
    provider.start()

    assert provider.describe("echo")["replicas"] == 0
    assert provider.invoke("echo").status_code == 200


def test_woken_function_that_cannot_start_is_503_in_the_end(tmp_path: Path) -> None:
    with running_provider(tmp_path, PROVIDER_WAKE_SECONDS="1") as provider:
        provider.deploy("echo", HANDLER + "\n    import os", labels=SLEEPER)
        scale(provider, 0)
        for version in (provider.state_dir / "provider" / "versions").iterdir():
            (version / "function" / "handler.py").write_text("raise RuntimeError('broken')")

        answer = provider.invoke("echo")

        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")


def test_replica_is_given_no_more_than_its_cap(provider: Provider, tmp_path: Path) -> None:
    cap = {"com.openfaas.local.max-inflight": "2"}
    labels = {"com.openfaas.scale.min": "2"}
    provider.deploy("echo", HANDLER, annotations=cap, labels=labels)

    with ExitStack() as in_flight:
        waiting = [
            in_flight.enter_context(provider.waiting("echo/wait", tmp_path / f"may-end-{number}"))
            for number in range(4)
        ]
        refused = provider.invoke("echo")

    assert (refused.status_code, refused.headers["Retry-After"]) == (429, "1")
    assert refused.json()["type"] == "urn:image-pipeline:problem:too-many-requests"
    assert "2 requests in flight" in refused.json()["detail"]
    pids = [answer.result().text for answer in waiting]
    assert sorted(map(pids.count, set(pids))) == [2, 2]
    assert provider.invoke("echo").status_code == 200
