"""How many replicas there are: asked for, by labels, none at all."""

from __future__ import annotations

from typing import Any

from tests.openfaas import facts
from tests.openfaas.case import Case, case
from tests.openfaas.door import MIRROR, REPLICA_SECONDS, Door
from tests.openfaas.facts import Facts
from tests.stack import until

SCALE = "com.openfaas.scale."


def scale(door: Door, name: str, replicas: object, **more: object) -> Facts:
    return facts.of_answer(door.scale(name, replicas, **more))


@case
def scale_up_and_down(door: Door) -> Facts:
    with door.deployed(door.guest):
        up = scale(door, door.guest, 3)
        door.wait_for(door.guest, 3)
        down = scale(door, door.guest, 1)
        door.wait_for(door.guest, 1)
        answer = door.ask("GET", f"/function/{door.guest}")
    return {
        **{f"up {key}": value for key, value in up.items()},
        **{f"down {key}": value for key, value in down.items()},
        "invoked afterwards": str(answer.status),
    }


@case
def the_least_is_started(door: Door) -> Facts:
    with door.deployed(door.guest, 2, labels={f"{SCALE}min": "2"}):
        return {"replicas": str(door.replicas(door.guest)[0])}


@case
def scale_to_none_and_invoke(door: Door) -> Facts:
    with door.deployed(door.guest, labels={f"{SCALE}zero": "true"}):
        to_none = scale(door, door.guest, 0)
        until(lambda: door.replicas(door.guest) == (0, 0), REPLICA_SECONDS)
        status = door.status(door.guest)
        answer = door.ask("GET", f"/function/{door.guest}")
        awake = door.replicas(door.guest)[0]
    return {
        **to_none,
        "field replicas": str(status.get("replicas", "none")),
        "field availableReplicas": str(status.get("availableReplicas", "none")),
        "invoked": str(answer.status),
        "replicas afterwards": str(awake),
    }


def asked(name: str, replicas: object, labels: dict[str, str] | None = None, **more: Any) -> Case:
    """Ask for a number, and see how many there are to be."""

    def run(door: Door) -> Facts:
        with door.deployed(door.guest, labels=labels or {}):
            answer = scale(door, door.guest, replicas, **more)
            wanted = str(door.wanted(door.guest))
        return answer | {"replicas": wanted}

    return Case(name, run)


@case
def scale_by_another_name_in_the_document(door: Door) -> Facts:
    answer = door.system(
        "POST", f"/scale-function/{MIRROR}", {"serviceName": "another", "replicas": 1}
    )
    return facts.of_answer(answer)


@case
def invoke_with_a_scaling_factor_of_none(door: Door) -> Facts:
    """A function that OpenFaaS is not to scale by itself."""
    try:
        door.system("POST", "/functions", door.request(door.guest, labels={f"{SCALE}factor": "0"}))
        until(lambda: door.replicas(door.guest) == (1, 1), REPLICA_SECONDS)
        return facts.of_answer(door.ask("GET", f"/function/{door.guest}"))
    finally:
        door.remove(door.guest)


CASES = (
    scale_up_and_down,
    invoke_with_a_scaling_factor_of_none,
    the_least_is_started,
    scale_to_none_and_invoke,
    asked("scale to none without the label", 0),
    asked("scale beyond the most", 4, {f"{SCALE}max": "2"}),
    asked("scale below the least", 0, {f"{SCALE}min": "1", f"{SCALE}max": "2"}),
    asked("scale beyond five", 6),
    asked("scale to less than none", -1),
    asked("scale to a text", "2"),
    asked("scale to a half", 1.5),
    asked("scale without a number", None),
    scale_by_another_name_in_the_document,
)
