"""What an update changes, what it keeps, and what it refuses."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.openfaas import facts
from tests.openfaas.case import Case, case
from tests.openfaas.cases.deployments import WHOLE, told_of
from tests.openfaas.door import REPLICA_SECONDS, Door
from tests.openfaas.facts import Facts
from tests.stack import until

FIRST: dict[str, Any] = {
    "envVars": {"GREETING": "first"},
    "labels": {"team": "red"},
    "annotations": {"topic": "a"},
}
SECOND: dict[str, Any] = {"envVars": {"GREETING": "second"}, "labels": {"team": "blue"}}


def greeting(door: Door) -> str:
    answer = door.ask("GET", f"/function/{door.guest}")
    return str(answer.json()["environment"].get("GREETING")) if answer.status == 200 else ""


@contextmanager
def invoking(door: Door) -> Iterator[Counter[str]]:
    """Invoke the guest again and again, and count the statuses."""
    statuses: Counter[str] = Counter()
    is_over = threading.Event()

    def go_on() -> None:
        while not is_over.is_set():
            try:
                statuses[str(door.ask("GET", f"/function/{door.guest}").status)] += 1
            except OSError as error:
                statuses[type(error).__name__] += 1

    thread = threading.Thread(target=go_on)
    thread.start()
    try:
        yield statuses
    finally:
        is_over.set()
        thread.join()


@case
def update_under_load(door: Door) -> Facts:
    with door.deployed(door.guest, **FIRST):
        before = door.status(door.guest)
        with invoking(door) as statuses:
            answer = door.update(door.guest, **SECOND)
            until(lambda: greeting(door) == "second", REPLICA_SECONDS)
            until(lambda: door.replicas(door.guest) == (1, 1), REPLICA_SECONDS)
        after = door.status(door.guest)
    is_kept = after["createdAt"] == before["createdAt"]
    return {
        **facts.of_answer(answer),
        **{key: value for key, value in told_of(door, after).items() if " labels " in key},
        **{key: value for key, value in told_of(door, after).items() if " annotations " in key},
        "answers meanwhile": ", ".join(sorted(statuses)),
        "createdAt": "kept" if is_kept else "anew",
    }


@case
def update_keeps_what_was_scaled(door: Door) -> Facts:
    with door.deployed(door.guest, **FIRST):
        door.scale(door.guest, 2)
        door.wait_for(door.guest, 2)
        door.update(door.guest, **SECOND)
        until(lambda: greeting(door) == "second", REPLICA_SECONDS)
        return {"replicas": str(door.replicas(door.guest)[0])}


@case
def update_with_another_least(door: Door) -> Facts:
    least = {"com.openfaas.scale.min": "2"}
    with door.deployed(door.guest, **FIRST):
        door.update(door.guest, **{**SECOND, "labels": least})
        until(lambda: greeting(door) == "second", REPLICA_SECONDS)
        door.wait_for(door.guest, 2)
        return {"replicas": str(door.replicas(door.guest)[0])}


@case
def an_update_leaves_out_what_is_not_said_again(door: Door) -> Facts:
    with door.secret("token", "x"), door.deployed(door.guest, **WHOLE, secrets=["token"]):
        door.update(door.guest, **SECOND)
        until(lambda: greeting(door) == "second", REPLICA_SECONDS)
        until(lambda: door.replicas(door.guest) == (1, 1), REPLICA_SECONDS)
        return told_of(door, door.status(door.guest))


def refused(name: str, **change: Any) -> Case:
    """An update that cannot be kept, and whether the old one still serves."""

    def run(door: Door) -> Facts:
        with door.deployed(door.guest, **FIRST):
            answer = door.system(
                "PUT", "/functions", door.request(door.guest, **{**SECOND, **change})
            )
            return facts.of_answer(answer) | {
                "serves afterwards": greeting(door),
                "labels afterwards": str(door.status(door.guest)["labels"].get("team")),
            }

    return Case(name, run)


CASES = (
    update_under_load,
    update_keeps_what_was_scaled,
    update_with_another_least,
    an_update_leaves_out_what_is_not_said_again,
    refused("update with a secret that is not there", secrets=["absent"]),
    refused("update with a memory limit that is none", limits={"memory": "much"}),
    refused("update without an image", image=""),
)
