"""The logs of functions: complete, in order, over rotation, and followed without a gap."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from tests.provider import (
    PASSWORD,
    REQUEST_SECONDS,
    USER,
    Provider,
    eventually,
    running_provider,
)

# /N writes the body N times.
HANDLER = """
    import os
    def handle(event, context):
        for number in range(int(event.path[1:])):
            print(event.body.decode(), number)
        return os.environ["PORT"]
"""


@pytest.fixture(scope="module")
def provider(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Provider]:
    with running_provider(tmp_path_factory.mktemp("provider")) as one:
        one.deploy("writer", HANDLER, labels={"com.openfaas.scale.min": "2"})
        yield one


def logs(provider: Provider, **query: Any) -> list[dict[str, Any]]:
    url = f"{provider.url}/system/logs"
    query = {"name": "writer", **query}
    answer = provider.http.get(url, params=query, auth=(USER, PASSWORD), timeout=REQUEST_SECONDS)
    assert answer.status_code == 200, answer.text
    return [json.loads(line) for line in answer.text.splitlines() if line]


def texts(messages: list[dict[str, Any]], word: str) -> list[str]:
    return [message["text"] for message in messages if message["text"].startswith(word)]


def test_lines_of_all_replicas_are_merged_by_time(provider: Provider) -> None:
    for number in range(4):
        provider.invoke("writer/1", data=f"merged-{number}")
    eventually(lambda: len(texts(logs(provider), "merged")) == 4)

    messages = logs(provider)

    assert texts(messages, "merged") == [f"merged-{number} 0" for number in range(4)]
    stamps = [message["timestamp"] for message in messages]
    assert stamps == sorted(stamps)
    assert {message["instance"] for message in messages} == {"writer-1", "writer-2"}
    assert all(datetime.fromisoformat(stamp).tzinfo for stamp in stamps)


def test_tail_since_and_instance_choose(provider: Provider) -> None:
    for _ in range(2):
        provider.invoke("writer/3", data="chosen")
    everything = eventually(
        lambda: messages if len(texts(messages := logs(provider), "chosen")) == 6 else []
    )

    assert logs(provider, tail=4) == everything[-4:]
    assert logs(provider, tail=-1) == everything
    late = everything[-2]["timestamp"]
    assert logs(provider, since=late)[0]["timestamp"] == late
    mine = [message for message in everything if message["instance"] == "writer-2"]
    assert logs(provider, instance="writer-2") == mine
    assert logs(provider, instance="writer-9") == []


@pytest.mark.parametrize(
    ("query", "message"),
    [("since=yesterday", "since is 'yesterday'"), ("tail=few", "tail is 'few'"),
     ("namespace=other", "namespace 'other' does not exist")],
)  # fmt: skip
def test_query_that_cannot_be_read_is_400(provider: Provider, query: str, message: str) -> None:
    answer = provider.system("GET", f"/logs?name=writer&{query}")

    assert (answer.status_code, message in answer.text) == (400, True)


def test_unknown_function_is_404_and_no_password_401(provider: Provider) -> None:
    assert provider.system("GET", "/logs?name=absent").status_code == 404
    assert provider.system("GET", "/logs?name=../provider").status_code == 404
    url = f"{provider.url}/system/logs?name=writer"
    assert provider.http.get(url, timeout=REQUEST_SECONDS).status_code == 401


def test_follower_sees_each_line_once_while_the_log_is_rotated(provider: Provider) -> None:
    provider.deploy("busy", HANDLER)
    wide = "w" * 100_000  # 90 of these are more than one log file may hold
    with provider.follow("busy") as following:
        provider.invoke("busy/45", data=wide)
        provider.invoke("busy/45", data=wide)
        provider.invoke("busy/1", data="last")
        ends = []
        for raw in following.iter_lines():
            text = json.loads(raw)["text"] if raw else ""
            if text.startswith("last"):
                break
            ends += [text.split()[-1]] if " " in text[-4:] else []

    assert ends == [str(number) for number in [*range(45), *range(45)]]
    folder = provider.state_dir / "logs"
    assert (folder / "busy-1.log.1").stat().st_size > 8_000_000 > (
        folder / "busy-1.log").stat().st_size  # fmt: skip
    found = [message["text"][-3:].split()[-1] for message in logs(provider, name="busy")]
    assert found[-1] == "0"
    assert len([text for text in found if text.isdecimal()]) == 91


def test_lines_survive_the_death_of_their_replica_and_of_the_provider(tmp_path: Path) -> None:
    with running_provider(tmp_path) as provider:
        provider.deploy("writer", HANDLER)
        provider.invoke("writer/1", data="before")
        eventually(lambda: texts(logs(provider), "before"))
        (run,) = provider.replicas("writer").values()
        os.kill(run["pid"], signal.SIGKILL)
        provider.invoke("writer/1", data="between")
        eventually(lambda: texts(logs(provider), "between"))
        provider.kill()
        provider.start()
        eventually(lambda: provider.is_settled("writer"))
        provider.invoke("writer/1", data="after")

        eventually(lambda: texts(logs(provider), "after"))
        assert [m["text"] for m in logs(provider) if m["text"].endswith(" 0")] == [
            "before 0", "between 0", "after 0",
        ]  # fmt: skip


def test_following_ends_with_the_function_and_with_the_provider(tmp_path: Path) -> None:
    with running_provider(tmp_path) as provider:
        for name in ("one", "two"):
            provider.deploy(name, HANDLER)
        with provider.follow("one") as one, provider.follow("two") as two:
            provider.system("DELETE", "/functions", {"functionName": "one"})
            list(one.iter_lines())
            assert not list((provider.state_dir / "logs").glob("one-*"))
            assert provider.stop() == 0
            list(two.iter_lines())


def test_follower_that_leaves_is_forgotten(provider: Provider) -> None:
    provider.invoke("writer/1", data="left")
    eventually(lambda: texts(logs(provider), "left"))
    assert provider.process
    descriptors = Path(f"/proc/{provider.process.pid}/fd")
    before = len(list(descriptors.iterdir()))
    for _ in range(3):
        with provider.follow("writer") as leaving:
            assert next(leaving.iter_lines())

    eventually(lambda: len(list(descriptors.iterdir())) <= before)
