"""What Prometheus is told: names, types and labels; and what of it is counted when."""

from __future__ import annotations

import re
from collections.abc import Iterator

from tests.openfaas.case import case
from tests.openfaas.door import MIRROR, REPLICA_SECONDS, Door
from tests.openfaas.facts import Facts
from tests.stack import until

NAME = f"{MIRROR}.openfaas-fn"
# Line by line: a client of Prometheus' would give counters another name.
_TYPE = re.compile(r"# TYPE (gateway_\w+) (\w+)")
_SAMPLE = re.compile(r"(gateway_\w+)\{(.*)\} (\S+)")
_LABEL = re.compile(r'(\w+)="([^"]*)"')


def told(door: Door) -> list[str]:
    answer = door.ask("GET", f"{door.metrics_url}/metrics")
    assert answer.status == 200, answer
    return answer.body.decode().splitlines()


def samples(door: Door) -> Iterator[tuple[str, dict[str, str], float]]:
    """Find what OpenFaaS' own metrics say: name, labels and value."""
    for line in told(door):
        if found := _SAMPLE.fullmatch(line):
            yield found[1], dict(_LABEL.findall(found[2])), float(found[3])


def value(door: Door, sample: str, **labels: str) -> float:
    wanted = {"function_name": NAME, **labels}
    return sum(
        number
        for name, given, number in samples(door)
        if name == sample and wanted.items() <= given.items()
    )


@case
def metrics_and_their_labels(door: Door) -> Facts:
    door.ask("GET", f"/function/{MIRROR}")
    until(lambda: value(door, "gateway_service_count") == 1, REPLICA_SECONDS)
    types = {it[1]: it[2] for line in told(door) if (it := _TYPE.fullmatch(line))}
    return {
        **{f"{name} type": kind for name, kind in types.items()},
        **{name: ", ".join(sorted(labels)) for name, labels, _ in samples(door)},
    }


@case
def metrics_count_calls(door: Door) -> Facts:
    total, started = "gateway_function_invocation_total", "gateway_function_invocation_started"
    seconds = "gateway_functions_seconds_count"
    names = {"total": (total, "418"), "seconds": (seconds, "418")}

    def counted() -> dict[str, float]:
        found = {key: value(door, name, code=code) for key, (name, code) in names.items()}
        return {**found, "started": value(door, started)}

    before = counted()
    door.ask("GET", f"/function/{MIRROR}", None, {"X-Mirror-Status": "418"})
    until(lambda: counted()["total"] > before["total"], REPLICA_SECONDS)
    after = counted()
    return {name: f"+{after[name] - before[name]:g}" for name in after}


@case
def metrics_tell_replicas(door: Door) -> Facts:
    until(lambda: value(door, "gateway_service_count") == 1, REPLICA_SECONDS)
    return {"gateway_service_count": "as many as are wanted"}


@case
def calls_are_counted_in_the_list(door: Door) -> Facts:
    def count() -> float:
        listed = door.system("GET", "/functions?namespace=openfaas-fn").json()
        return float(next(each for each in listed if each["name"] == MIRROR)["invocationCount"])

    door.ask("GET", f"/function/{MIRROR}")
    until(
        lambda: (
            "invocationCount"
            in next(
                each for each in door.system("GET", "/functions").json() if each["name"] == MIRROR
            )
        ),
        REPLICA_SECONDS,
    )
    before = count()
    door.ask("GET", f"/function/{MIRROR}")
    until(lambda: count() > before, REPLICA_SECONDS)
    return {"invocationCount": "grows"}


CASES = (
    metrics_and_their_labels,
    metrics_count_calls,
    metrics_tell_replicas,
    calls_are_counted_in_the_list,
)
