"""What functions write: all of it, its end, since when, of which replica, and as it is written."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from typing import Any

from tests.openfaas import facts
from tests.openfaas.case import Call, Case, calls, case
from tests.openfaas.door import MIRROR, REPLICA_SECONDS, Door
from tests.openfaas.facts import Facts
from tests.stack import until

LONG_AGO, LATER = "2020-01-01T00:00:00Z", "2090-01-01T00:00:00Z"


def say(door: Door, words: str) -> None:
    """Have the mirror write a line."""
    assert door.ask("GET", f"/function/{MIRROR}", None, {"X-Mirror-Print": words}).status == 200


def lines(door: Door, query: str = "") -> list[dict[str, Any]]:
    answer = door.system("GET", f"/logs?name={MIRROR}{query}")
    return [json.loads(line) for line in answer.body.splitlines() if line.strip()]


def said(door: Door, query: str = "") -> list[str]:
    return [line["text"].rstrip("\n") for line in lines(door, query)]


def three(door: Door) -> list[str]:
    """Have three lines in the log that nobody else wrote."""
    words = [f"{number} {uuid.uuid4()}" for number in ("one", "two", "three")]
    for each in words:
        say(door, each)
    until(lambda: words[-1] in said(door), REPLICA_SECONDS)
    return words


@case
def the_log_of_a_function(door: Door) -> Facts:
    words = three(door)
    answer = door.system("GET", f"/logs?name={MIRROR}&tail=1")
    (line,) = [each for each in lines(door) if each["text"].rstrip("\n") == words[-1]]
    instance = line["instance"]
    told = {**line, "text": "the line", "instance": "a replica" if instance else ""}
    return {
        **facts.of_answer(answer),
        "body": "JSON line by line",
        **facts.of_fields(told),
        "the text ends with": repr(line["text"].removeprefix(words[-1])),
        "order": str([each for each in said(door) if each in words] == words),
    }


@case
def the_last_lines(door: Door) -> Facts:
    words = three(door)
    return {
        "tail=2": str(said(door, "&tail=2") == words[1:]),
        "tail=0": str({*words} <= {*said(door, "&tail=0")}),
        "tail=-1": str({*words} <= {*said(door, "&tail=-1")}),
    }


@case
def lines_since(door: Door) -> Facts:
    words = three(door)
    return {
        "since long ago": str({*words} <= {*said(door, f"&since={LONG_AGO}")}),
        "since later": str(len(said(door, f"&since={LATER}"))),
    }


@case
def lines_of_a_replica(door: Door) -> Facts:
    words = three(door)
    instance = lines(door, "&tail=1")[0]["instance"]
    return {
        "of its own": str({*words} <= {*said(door, f"&instance={instance}")}),
        "of another": "some" if said(door, "&instance=another") else "none",
    }


@case
def follow_a_log(door: Door) -> Facts:
    before, words = three(door), f"later {uuid.uuid4()}"
    target = f"/system/logs?name={MIRROR}&follow=true&tail=1"
    with door.asked("GET", target, login=door.login) as answer:
        followed = texts(answer)
        first = next(followed)
        say(door, words)
        found = next(text for text in followed if text == words)
        return {
            "status": str(answer.status),
            "header Content-Type": str(answer.getheader("Content-Type")),
            "begins with the last line": str(first == before[-1]),
            "a line that is written then": "comes" if found else "does not come",
        }


def texts(answer: Any) -> Iterator[str]:
    while line := answer.readline():
        if line.strip():
            yield json.loads(line)["text"].rstrip("\n")


REFUSED: tuple[Case, ...] = calls(
    Call("the log of a function that is not there", "GET", "/system/logs?name=absent"),
    Call("the log of no function", "GET", "/system/logs"),
    Call("so many lines that it is no number", "GET", f"/system/logs?name={MIRROR}&tail=many"),
    Call("lines since no time", "GET", f"/system/logs?name={MIRROR}&since=yesterday"),
)
CASES = (
    the_log_of_a_function,
    the_last_lines,
    lines_since,
    lines_of_a_replica,
    follow_a_log,
    *REFUSED,
)
