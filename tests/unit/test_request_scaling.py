"""Which replicas a function's requests get, told in seconds of a clock that the tests move."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

import counts
from decision import Bounds
from pipeline.errors import Unavailable
from pipeline.http.openfaas import OpenFaaS
from request_scaling import RequestScaling
from rules import CAPACITY, RPS, Rule, WrongLabel

_LABEL = "com.openfaas.scale."
COOL_DOWN_SECONDS = 30.0


def labels(**given: str) -> dict[str, str]:
    return {_LABEL + name.replace("_", "-"): value for name, value in given.items()}


class Gateway(OpenFaaS):
    """OpenFaaS with one function, which is asked so often, each time for so long."""

    def __init__(self, replicas: int = 1, **given: str) -> None:
        self.labels = labels(**given)
        self.replicas = replicas
        self.in_flight = self.now = 0.0
        self.started = 100.0
        self.asked: list[int] = []
        self.down = False
        self.scaling = RequestScaling(self, COOL_DOWN_SECONDS, lambda: self.now)

    def run(self, seconds: int, per_second: float = 0.0, in_flight: float = 0.0) -> None:
        for _ in range(seconds):
            self.now += 1
            self.started += per_second
            self.in_flight = in_flight
            self.scaling.look()

    def functions(self) -> list[dict[str, Any]]:
        if self.down:
            raise Unavailable("it is down")
        return [{"name": "env", "replicas": self.replicas, "labels": self.labels}]

    def metrics(self) -> str:
        answered = self.started - self.in_flight
        return "".join(
            (
                "# HELP gateway_function_invocation_total Answered invocations\n",
                'gateway_function_invocation_total{code="200",function_name="env.openfaas-fn"}',
                f" {answered - 1}\n",
                'gateway_function_invocation_total{code="500",function_name="env.openfaas-fn"}',
                " 1.0\n",
                'gateway_function_invocation_started{function_name="env.openfaas-fn"}',
                f" {self.started}\n",
            )
        )

    def scale(self, name: str, replicas: int) -> None:
        assert name == "env"
        self.asked.append(replicas)
        self.replicas = replicas


def test_requests_a_second_get_the_replicas_that_they_need() -> None:
    gateway = Gateway(type="rps", target="10", max="8")

    gateway.run(20, per_second=40)

    assert gateway.asked == [5]  # each is to have nine tenths of its target


def test_requests_in_flight_count_before_they_end() -> None:
    gateway = Gateway(type="capacity", target="4", target_proportion="1", max="8")

    gateway.run(20, in_flight=12)

    assert gateway.asked == [3]


def test_no_more_than_allowed() -> None:
    gateway = Gateway(type="rps", target="1", max="3")

    gateway.run(20, per_second=1000)

    assert gateway.asked == [3]


def test_steps_are_a_part_of_the_most() -> None:
    gateway = Gateway(type="rps", target="1", max="10", factor="20")

    gateway.run(60, per_second=1000)

    assert gateway.asked == [3, 5, 7, 9, 10]


def test_replicas_are_given_up_when_fewer_were_enough_for_a_whole_cool_down() -> None:
    gateway = Gateway(type="rps", target="10", min="2", max="8")
    gateway.run(40, per_second=40)

    gateway.run(25)
    kept = gateway.replicas
    gateway.run(30)

    assert (kept, gateway.replicas) == (5, 2)


def test_a_load_that_comes_and_goes_keeps_its_replicas() -> None:
    gateway = Gateway(type="rps", target="10", max="8")

    for _ in range(10):
        gateway.run(8, per_second=40)
        gateway.run(8)

    assert gateway.asked == [5]


def test_a_function_without_requests_goes_to_zero_after_its_time_only() -> None:
    gateway = Gateway(zero="true", zero_duration="1m30s")
    gateway.run(5, per_second=1)

    gateway.run(85)
    before = list(gateway.asked)
    gateway.run(10)

    assert (before, gateway.asked) == ([], [0])


def test_a_long_request_keeps_its_replica() -> None:
    gateway = Gateway(type="rps", zero="true", zero_duration="10s")

    gateway.run(60, in_flight=1)

    assert gateway.asked == []


def test_what_a_request_has_woken_is_scaled_again() -> None:
    gateway = Gateway(replicas=0, type="rps", target="10", max="8", zero="true")
    gateway.run(20)
    slept = list(gateway.asked)

    gateway.replicas = 1
    gateway.run(20, per_second=40)

    assert (slept, gateway.replicas) == ([], 5)
    assert gateway.asked == sorted(gateway.asked)


def test_while_it_cannot_see_everything_stays_as_it_is() -> None:
    gateway = Gateway(type="rps", target="10", max="8")
    gateway.run(40, per_second=40)
    gateway.down = True
    gateway.run(100)
    blind = gateway.scaling.message()
    gateway.down = False
    gateway.run(20)

    assert blind == "nothing is scaled by requests: it is down"
    assert gateway.asked == [5]
    assert gateway.scaling.message() == ""


def test_counts_that_begin_anew_are_no_load() -> None:
    gateway = Gateway(type="rps", target="10", max="8")
    gateway.run(40, per_second=1)
    gateway.started = 1

    gateway.run(10, per_second=1)

    assert gateway.asked == []


def test_a_function_without_these_labels_is_left_alone() -> None:
    gateway = Gateway(max="8")

    gateway.run(20, per_second=1000)

    assert gateway.asked == []


def test_a_label_that_cannot_be_read_is_said() -> None:
    gateway = Gateway(type="rps", target="many")

    gateway.run(20, per_second=1000)

    said = "env is not scaled by requests: com.openfaas.scale.target is 'many'"
    assert gateway.scaling.message().startswith(said)
    assert gateway.asked == []


@pytest.mark.parametrize(
    ("given", "rule"),
    [
        ({"type": "rps"}, Rule(RPS, 45.0, Bounds(1, 20))),
        ({"type": "capacity", "max": "4"}, Rule(CAPACITY, 45.0, Bounds(1, 4))),
        ({"type": "rps", "min": "7", "max": "3"}, Rule(RPS, 45.0, Bounds(7, 7))),
        ({"type": "rps", "factor": "1"}, Rule(RPS, 45.0, Bounds(1, 20), step=1)),
        ({"type": "rps", "zero": "true"}, Rule(RPS, 45.0, Bounds(1, 20), None, 900.0)),
        ({"zero": "true", "zero_duration": "1h0.5m"}, Rule("", 45.0, Bounds(1, 20), None, 3630.0)),
        ({"zero": "false"}, None),
        ({"type": "backlog"}, None),
        ({"type": "backlog", "zero": "true"}, None),
    ],
)
def test_labels_are_read_as_openfaas_documents_them(
    given: Mapping[str, str], rule: Rule | None
) -> None:
    assert Rule.from_labels(labels(**given)) == rule


@pytest.mark.parametrize(
    "given",
    [
        {"type": "weather"},
        {"type": "rps", "target": "0"},
        {"type": "rps", "target": "-1"},
        {"type": "rps", "target_proportion": "nan"},
        {"type": "rps", "max": "²"},
        {"type": "rps", "factor": "101"},
        {"zero": "true", "zero_duration": "soon"},
        {"zero": "true", "zero_duration": ""},
    ],
)
def test_a_wrong_label_is_named(given: Mapping[str, str]) -> None:
    with pytest.raises(WrongLabel, match=r"com\.openfaas\.scale\."):
        Rule.from_labels(labels(**given))


def test_what_is_no_count_is_passed_over() -> None:
    assert counts.read('gateway_service_count{function_name="env"} 3\nnonsense {} 1\n') == {}
