"""What can be deployed, what is said of it, and what is refused."""

from __future__ import annotations

from typing import Any

from tests.openfaas import facts
from tests.openfaas.case import Case, case
from tests.openfaas.door import MIRROR, Door
from tests.openfaas.facts import Facts
from tests.stack import until

# One of each field that a deployment may have.
WHOLE: dict[str, Any] = {
    "envVars": {"GREETING": "good day"},
    "constraints": ["kubernetes.io/os=linux"],
    "labels": {"team": "red", "com.openfaas.scale.min": "1", "com.openfaas.scale.max": "3"},
    "annotations": {"topic": "greetings", "com.openfaas.health.http.initialDelay": "1s"},
    "limits": {"memory": "128Mi", "cpu": "500m"},
    "requests": {"memory": "32Mi", "cpu": "0.02"},
    "readOnlyRootFilesystem": True,
}
# Each side's own; and what Prometheus knows a while later, which metrics.py looks at.
_OWN = ("image", "createdAt", "envProcess", "invocationCount")


def told_of(door: Door, status: dict[str, Any]) -> Facts:
    """Tell what is said of a function; of what is each side's own only whether it is right."""
    told = facts.of_fields({key: value for key, value in status.items() if key not in _OWN})
    if "field labels uid" in told:
        told["field labels uid"] = "another one each time"
    return told | {
        "field image": as_deployed(status.get("image"), door.image),
        "field createdAt": facts.kind(str(status.get("createdAt"))),
        "field envProcess": as_deployed(status.get("envProcess"), door.process),
    }


def as_deployed(said: object, deployed: str) -> str:
    return "as deployed" if said == deployed else "not as deployed"


def entry(door: Door, name: str) -> dict[str, Any]:
    """Find a function in the list."""
    listed = door.system("GET", "/functions").json()
    found = [function for function in listed if function["name"] == name]
    return dict(found[0]) if found else {}


@case
def deploy_and_remove(door: Door) -> Facts:
    created = door.system("POST", "/functions", door.request(door.guest))
    try:
        again = door.system("POST", "/functions", door.request(door.guest))
        door.wait_for(door.guest)
    finally:
        removed = door.system("DELETE", "/functions", {"functionName": door.guest})
    until(lambda: not door.status(door.guest))
    gone = until(lambda: _gone(door))
    return {
        **{f"deployed {key}": value for key, value in facts.of_answer(created).items()},
        **{f"again {key}": value for key, value in facts.of_answer(again).items()},
        **{f"removed {key}": value for key, value in facts.of_answer(removed).items()},
        "invoked afterwards": gone,
        "listed afterwards": str(bool(entry(door, door.guest))),
    }


def _gone(door: Door) -> str | None:
    """How a removed function is answered for, when it no longer answers."""
    status = door.ask("GET", f"/function/{door.guest}").status
    return None if status in (200, 503) else str(status)


@case
def list_functions(door: Door) -> Facts:
    answer = door.system("GET", "/functions")
    (mirror,) = (each for each in answer.json() if each["name"] == MIRROR)
    return facts.of_answer(answer) | told_of(door, mirror)


@case
def describe_a_function(door: Door) -> Facts:
    answer = door.system("GET", f"/function/{MIRROR}")
    return facts.of_answer(answer) | told_of(door, answer.json())


@case
def describe_with_usage(door: Door) -> Facts:
    answer = door.system("GET", f"/function/{MIRROR}?usage=1")
    usage = answer.json().get("usage")
    return {"status": str(answer.status), "usage": "none" if usage is None else str(sorted(usage))}


@case
def a_deployment_with_everything(door: Door) -> Facts:
    with (
        door.secret("token", "secret value"),
        door.deployed(door.guest, **WHOLE, secrets=["token"]),
    ):
        described = told_of(door, door.status(door.guest))
        listed = told_of(door, entry(door, door.guest))
        seen = door.ask("GET", f"/function/{door.guest}").json()
    differing = {
        key for key in described.keys() | listed.keys() if described.get(key) != listed.get(key)
    }
    return {
        **described,
        "in the list alone, or otherwise": ", ".join(sorted(differing)) or "nothing",
        "the function's GREETING": seen["environment"].get("GREETING", "none"),
        "the function's secret": seen["secrets"].get("token", "none"),
        "the function's other secrets": str(sorted({*seen["secrets"]} - {"token"})),
        "the function's fprocess": as_deployed(seen["environment"].get("fprocess"), door.process),
    }


def refused(name: str, **change: Any) -> Case:
    """A deployment that cannot be kept, and whether something of it is there afterwards."""

    def run(door: Door) -> Facts:
        request = door.request(door.guest, **change)
        service = str(request["service"])
        answer = door.system("POST", "/functions", request)
        is_there = bool(door.status(service))
        if is_there:
            door.remove(service)
        return facts.of_answer(answer) | {"there afterwards": str(is_there)}

    return Case(name, run)


LIMIT = "com.openfaas.scale.max"
CASES = (
    deploy_and_remove,
    list_functions,
    describe_a_function,
    describe_with_usage,
    a_deployment_with_everything,
    refused("deploy a name with capitals", service="Guest"),
    refused("deploy a name with a dot", service="guest.two"),
    refused("deploy a name of 64 characters", service="g" * 64),
    refused("deploy without a name", service=""),
    refused("deploy without an image", image=""),
    refused("deploy an image that is not there", image="lab.local/absent:1"),
    refused("deploy with a secret that is not there", secrets=["absent"]),
    refused("deploy into an unknown namespace", namespace="other"),
    refused("deploy into its namespace by name", namespace="openfaas-fn"),
    refused("deploy with a memory limit that is none", limits={"memory": "much"}),
    refused("deploy with a CPU request that is none", requests={"cpu": "all"}),
    refused(
        "deploy with a limit below the request",
        limits={"memory": "1Mi"},
        requests={"memory": "2Mi"},
    ),
    refused("deploy with a label that is none", labels={"a b": "c"}),
    refused("deploy with a scale that is none", labels={LIMIT: "many"}),
    refused("deploy with the label of OpenFaaS", labels={"faas_function": "other"}),
    refused(
        "deploy with a delay that is none",
        annotations={"com.openfaas.health.http.initialDelay": "soon"},
    ),
    refused("deploy a variable without a name", envVars={"": "x"}),
    refused("deploy an unknown field", unheard="of"),
)
