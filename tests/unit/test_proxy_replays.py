"""A request that a replica broke off is sent again once, and not before the replica is asked."""

from __future__ import annotations

import asyncio
import time
from types import SimpleNamespace
from typing import Any, cast

import pytest

from local.provider.functions.function import Function
from local.provider.functions.functions import Functions
from local.provider.http.call import Call
from local.provider.http.problem import Problem
from local.provider.http.proxy import Proxy
from local.provider.replicas.connection import (
    Answer,
    BrokenOff,
    Connection,
    NotConnected,
    WasIdle,
)
from local.provider.replicas.host import Host
from local.provider.replicas.replica import Replica

ANSWER = Answer(200, b"OK", [])
ANSWER.is_whole = True
HANGS = Answer(200, b"OK", [])


class StubReplica:
    """One replica and its only connection; each exchange ends as `ends` say, in their order."""

    def __init__(self, *ends: Exception | Answer) -> None:
        self.name, self.host = "echo-1", b"127.0.0.1:1"
        self._ends = list(ends)
        self.told: list[str] = []
        self.connections = self

    def take(self) -> StubReplica:
        return self

    async def open(self) -> StubReplica:
        return self

    async def send(self, head: bytes, body: bytes, is_head: bool) -> Answer:
        self.told.append("send")
        if isinstance(end := self._ends.pop(0), Exception):
            raise end
        if end is HANGS:
            await asyncio.Event().wait()
        return end

    def close_idle(self) -> None:
        self.told.append("close idle")

    def doubt(self) -> None:
        self.told.append("doubt")

    def release(self) -> None:
        """It is never kept."""

    def give_back(self) -> None:
        self.told.append("give back")


class StubFunction:
    name, invocations = "echo", 0
    patience_seconds = timeout_seconds = 10.0

    def __init__(self, replica: StubReplica, answers_seconds: float) -> None:
        self.answers_seconds = answers_seconds
        self.avoided: list[object] = []
        self._replica = replica

    async def borrow(self, avoid: Replica | None, deadline: float) -> Replica:
        self.avoided.append(avoid)
        return cast(Replica, self._replica)


async def told(call: Call, answer: Answer, connection: Connection) -> int:
    return answer.status


def forward(
    *ends: Exception | Answer, answers_seconds: float = 10.0
) -> tuple[int, StubReplica, StubFunction]:
    replica = StubReplica(*ends)
    function = StubFunction(replica, answers_seconds)
    secrets = SimpleNamespace(authorization=lambda: "Basic x")
    proxy = Proxy(cast(Functions, None), cast(Host, SimpleNamespace(secrets=secrets)))
    made: dict[str, Any] = {"method": b"POST", "target": b"/", "headers": [], "sender": "a"}
    call = Call(**made, call_id="1", started_at=time.perf_counter())
    status = asyncio.run(proxy.forward(cast(Function, function), call, told))
    return status, replica, function


@pytest.mark.parametrize(
    ("error", "first"),
    [
        (WasIdle("closed"), ["send", "close idle", "doubt", "give back"]),
        (BrokenOff("reset"), ["send", "doubt", "give back"]),
        (NotConnected("refused"), ["send", "doubt", "give back"]),
    ],
)
def test_whoever_breaks_off_is_asked_before_it_gets_the_request_again(
    error: Exception, first: list[str]
) -> None:
    status, replica, function = forward(error, ANSWER)

    assert status == 200
    assert replica.told == [*first, "send", "give back"]
    assert function.avoided == [None, replica]


@pytest.mark.parametrize("first", [WasIdle("closed"), BrokenOff("reset")])
def test_it_is_sent_again_once(first: Exception) -> None:
    with pytest.raises(Problem, match="echo broke off: reset") as caught:
        forward(first, BrokenOff("reset"), ANSWER)

    assert caught.value.status == 502


def test_a_call_that_a_replica_was_waited_for_is_told_what_was_left() -> None:
    with pytest.raises(Problem, match=r"0\.[0-9] s that were left of the 0\.05 s") as caught:
        forward(HANGS, answers_seconds=0.05)

    assert caught.value.status == 504
