"""Calls that are made later: what is answered at once, what comes of them, who is told.

They need a queue: OpenFaaS' is NATS Streaming and its queue-worker, ours is Kafka.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from typing import Any

from tests.openfaas import facts
from tests.openfaas.case import Call, Case, calls, case
from tests.openfaas.cases.logs import said
from tests.openfaas.door import MIRROR, REPLICA_SECONDS, Answer, Door
from tests.openfaas.facts import Facts
from tests.stack import until


def later(
    door: Door,
    path: str = "",
    body: bytes = b"later",
    headers: Mapping[str, str] | None = None,
    function: str = MIRROR,
) -> Answer:
    return door.ask("POST", f"/async-function/{function}{path}", body, headers)


def noted(door: Door, note: str) -> dict[str, Any]:
    """Wait until the mirror was told of a call to /note/NOTE, and return what it was told."""

    def look() -> dict[str, Any] | None:
        for line in said(door):
            if line.startswith("{") and f"/note/{note}" in json.loads(line)["target"]:
                return dict(json.loads(line))
        return None

    return until(look, REPLICA_SECONDS)


def told(seen: Mapping[str, Any], note: str, *names: str) -> Facts:
    """Tell what a call was, and of its headers those that are named."""
    headers = {name.lower(): value for name, value in seen["headers"]}
    found = {name: headers.get(name.lower()) for name in names}
    return {
        "told method": str(seen["method"]),
        "told target": str(seen["target"]).replace(note, "NOTE"),
        "told bytes": str(seen["bytes"]),
        **{f"told {name}": facts.kind(text) for name, text in found.items() if text is not None},
    }


@case
def call_later(door: Door) -> Facts:
    note = str(uuid.uuid4())
    answer = later(
        door, f"/note/{note}?a=b%20c", headers={"X-Own": "1", "Content-Type": "text/plain"}
    )
    seen = noted(door, note)
    names = ("X-Own", "Content-Type", "X-Call-Id", "X-Start-Time", "X-Callback-Url")
    return facts.of_answer(answer) | told(seen, note, *names)


@case
def call_later_with_an_id(door: Door) -> Facts:
    note = str(uuid.uuid4())
    answer = later(door, f"/note/{note}", headers={"X-Call-Id": "mine"})
    return facts.of_answer(answer) | told(noted(door, note), note, "X-Call-Id")


@case
def call_later_with_its_namespace(door: Door) -> Facts:
    note = str(uuid.uuid4())
    answer = later(door, f"/note/{note}", function=f"{MIRROR}.openfaas-fn")
    return {"status": str(answer.status), **told(noted(door, note), note)}


def called_back(name: str, status: str) -> Case:
    """A call whose answer has this status, and what whoever waits for it is told."""

    def run(door: Door) -> Facts:
        note, own = str(uuid.uuid4()), json.dumps({"X-Own": "of the function"})
        wish = {"X-Mirror-Status": status, "X-Mirror-Bytes": "7", "X-Mirror-Answer": own}
        back = f"{door.callback_url}/note/{note}"
        answer = later(door, headers={**wish, "X-Call-Id": "mine", "X-Callback-Url": back})
        names = ("X-Call-Id", "X-Function-Name", "X-Function-Status", "X-Duration-Seconds", "X-Own")
        return {"status": str(answer.status), **told(noted(door, note), note, *names)}

    return Case(name, run)


CASES = (
    call_later,
    call_later_with_an_id,
    call_later_with_its_namespace,
    called_back("call later and tell whoever waits", "200"),
    called_back("call later what fails, and tell whoever waits", "418"),
    *calls(
        Call(
            "call later a function that is not there",
            "POST",
            "/async-function/absent",
            b"x",
            login=False,
        ),
        Call("call later by GET", "GET", f"/async-function/{MIRROR}", login=False),
        Call(
            "call later what is large",
            "POST",
            f"/async-function/{MIRROR}",
            b"x" * 1_000_000,
            login=False,
        ),
        Call(
            "call later and tell what is no address",
            "POST",
            f"/async-function/{MIRROR}",
            b"x",
            {"X-Callback-Url": "::"},
            login=False,
        ),
        Call(
            "call later and tell a stranger",
            "POST",
            f"/async-function/{MIRROR}",
            b"x",
            {"X-Callback-Url": "http://127.0.0.1:1/"},
            login=False,
        ),
    ),
)
