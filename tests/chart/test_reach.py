"""Who reaches whom behind the chart's network policies; tried by what they select, in Python."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from pipeline.access import accounts
from pipeline.access.accounts import ACCOUNTS, KAFKA, MINIO, OPERATOR, REDIS, SERVICES, SETUP
from pipeline.names import FUNCTIONS
from tests.chart import pods
from tests.chart.pods import COMPONENT
from tests.chart.reachability import End, Network
from tests.helm import NAMESPACE, RELEASE, VALUE_FILES, Manifest, rendered

FUNCTION_NAMESPACE = "openfaas-fn"
PORTS = {MINIO: 9000, KAFKA: 9092, REDIS: 6379}
OPENFAAS = End("openfaas", {"app": "gateway"})
DNS = End("kube-system", {"k8s-app": "kube-dns"})
OUTSIDE = End()
# Parts with another name than their account, and steps with the login of who sets up.
PART_OF = {OPERATOR: "operator", "rollout": "model"}
STEPS = {MINIO: {"buckets"}, KAFKA: {"topics"}, REDIS: set[str]()}
LABELS = {"app.kubernetes.io/name": "image-pipeline", "app.kubernetes.io/instance": RELEASE}
# Beyond the three services, by source; all else is refused.
ALSO = {
    "gateway": {"openfaas", "async-call-consumer", "minio-console"},
    "image-process-consumer": {"openfaas"},
    "async-call-consumer": {"openfaas"},
    "classifier-autoscaler": {"openfaas", "openfaas-metrics"},
    "operator": {"openfaas", "gateway", "image-process-consumer", "async-call-consumer"},
    "functions": {"openfaas"},
    "image-results": {"openfaas"},
    "test": {"gateway"},
}
PORT_OF = {
    "gateway": 8080,
    "image-process-consumer": 8082,
    "classifier-autoscaler": 8083,
    "async-call-consumer": 8084,
}
DOORS = {
    "openfaas": (OPENFAAS, 8080),
    "openfaas-metrics": (OPENFAAS, 8082),
    "minio-console": (End(NAMESPACE, {**LABELS, COMPONENT: "minio"}), 9001),
    **{name: (End(NAMESPACE, {**LABELS, COMPONENT: name}), at) for name, at in PORT_OF.items()},
}


def part(name: str) -> End:
    if name in FUNCTIONS:
        return End(FUNCTION_NAMESPACE, {"faas_function": name})
    return End(NAMESPACE, {**LABELS, COMPONENT: name})


def sources(manifests: Iterable[Manifest]) -> list[str]:
    """Every part that has pods, and the functions."""
    return sorted({*(pod.part for pod in pods.of(manifests)), *FUNCTIONS})


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_is_reached_by_who_has_an_account_there_and_by_nobody_else(service: str) -> None:
    manifests = rendered("demo")
    network = Network(manifests)
    names = {each.name for each in accounts.having(service)} - {accounts.VIEWER}

    found = {
        name
        for name in sources(manifests)
        if network.reaches(part(name), part(service), PORTS[service])
    }

    assert found == {PART_OF.get(name, name) for name in names} | STEPS[service]


def test_every_account_is_a_part_of_the_chart() -> None:
    parts = set(sources(rendered("demo")))

    names = {PART_OF.get(each.name, each.name) for each in ACCOUNTS} - {accounts.VIEWER}
    assert names <= parts
    assert SETUP not in names


@pytest.mark.parametrize("service", SERVICES)
@pytest.mark.parametrize(
    "stranger",
    [
        End(NAMESPACE, {}),
        End(NAMESPACE, {"app": "something-else"}),
        End(NAMESPACE, {**LABELS, COMPONENT: "something-else"}),
        End(NAMESPACE, {**LABELS, "app.kubernetes.io/instance": "another", COMPONENT: "operator"}),
        End("default", {**LABELS, COMPONENT: "image-process-consumer"}),
        End("default", {"faas_function": "image-upload"}),
        End(FUNCTION_NAMESPACE, {"faas_function": "env"}),
        End(FUNCTION_NAMESPACE, {}),
        OPENFAAS,
        OUTSIDE,
    ],
    ids=[
        "no-label", "other-label", "unknown-part", "other-release", "other-namespace",
        "function-elsewhere", "function-of-others", "no-function", "openfaas", "outside",
    ],
)  # fmt: skip
def test_a_pod_without_the_right_labels_reaches_no_service(stranger: End, service: str) -> None:
    network = Network(rendered("demo"))

    assert not network.reaches(stranger, part(service), PORTS[service])


def test_parts_reach_each_other_as_they_need_and_not_otherwise() -> None:
    manifests = rendered("demo")
    network = Network(manifests)

    for source in sources(manifests):
        found = {
            name for name, (end, port) in DOORS.items() if network.reaches(part(source), end, port)
        }
        assert found == ALSO.get(source, set()), source


def test_services_and_steps_go_nowhere_else() -> None:
    manifests = rendered("demo")
    network = Network(manifests)

    leaving = {name for name in sources(manifests) if network.reaches(part(name), OUTSIDE, 443)}

    assert leaving == set()


def test_callbacks_and_the_issuer_are_outside() -> None:
    callbacks = Network(rendered("external"))
    tokens = Network(rendered("ingress"))

    assert callbacks.reaches(part("async-call-consumer"), OUTSIDE, 443)
    assert not callbacks.reaches(part("image-process-consumer"), OUTSIDE, 443)
    assert tokens.reaches(part("token-verifier"), OUTSIDE, 443)
    assert tokens.reaches(part("gateway"), part("token-verifier"), 8085)
    assert not tokens.reaches(part("async-call-consumer"), OUTSIDE, 443)


def test_everybody_reaches_the_gateway_unless_the_values_say_who() -> None:
    ingress = End("ingress-nginx", {"app.kubernetes.io/name": "ingress-nginx"})

    assert Network(rendered("demo")).reaches(OUTSIDE, part("gateway"), 8080)
    named = Network(rendered("ingress"))
    assert named.reaches(ingress, part("gateway"), 8080)
    assert not named.reaches(OUTSIDE, part("gateway"), 8080)
    assert not named.reaches(End("default", {}), part("gateway"), 8080)


@pytest.mark.parametrize(
    ("address", "port", "expected"),
    [
        ("192.0.2.5", 9093, {KAFKA}),
        ("192.0.2.20", 443, {MINIO}),
        ("192.0.2.40", 6380, {REDIS}),
        ("192.0.2.5", 443, set()),
        ("203.0.113.9", 9093, set()),
    ],
)
def test_external_services_are_reached_where_the_values_say(
    address: str, port: int, expected: set[str]
) -> None:
    manifests = rendered("external")
    network = Network(manifests)
    steps = {MINIO: "buckets", KAFKA: "topics", REDIS: "cache"}

    found = {
        name
        for name in sources(manifests)
        if network.reaches(part(name), End(address=address), port)
    }

    names = {each.name for each in ACCOUNTS if any(each.rights(it) for it in expected)}
    wanted = {PART_OF.get(name, name) for name in names} | {steps[it] for it in expected}
    # Its callbacks go to any address, at their ports.
    wanted |= {"async-call-consumer"} if port == 443 else set()
    assert found == wanted - {accounts.VIEWER}


@pytest.mark.parametrize("name", [name for name in VALUE_FILES if name != "minimal"])
def test_names_are_looked_up_by_all_that_ask_anybody(name: str) -> None:
    manifests = rendered(name)
    network = Network(manifests)
    servers = {"kafka", "minio", "redis"}

    for source in set(sources(manifests)) - servers:
        assert network.reaches(part(source), DNS, 53, "UDP"), source
        assert network.reaches(part(source), DNS, 53, "TCP"), source


@pytest.mark.parametrize("name", VALUE_FILES)
def test_every_policy_selects_a_pod_and_every_pod_a_policy(name: str) -> None:
    manifests = rendered(name)
    network = Network(manifests)
    ends = [part(source) for source in sources(manifests)]

    chosen = [policy["metadata"]["name"] for end in ends for policy in network.selecting(end)]

    assert {each["metadata"]["name"] for each in network.policies} == set(chosen)
    assert all(network.selecting(end) for end in ends) == bool(network.policies)


def test_prometheus_reaches_metrics_where_it_is_said_to_ask() -> None:
    prometheus = End("monitoring", {"app": "prometheus"})
    asked, silent = Network(rendered("ingress")), Network(rendered("demo"))

    for name, port in (("image-process-consumer", 8082), ("classifier-autoscaler", 8083)):
        assert asked.reaches(prometheus, part(name), port)
        assert not silent.reaches(prometheus, part(name), port)


def test_a_pod_of_the_release_that_is_no_part_goes_nowhere() -> None:
    network = Network(rendered("demo"))
    lost = part("something-else")

    doors = [*DOORS.values(), (OUTSIDE, 443), (DNS, 53)]
    assert not [port for end, port in doors if network.reaches(lost, end, port)]
    assert not network.reaches(part("operator"), lost, 8080)
