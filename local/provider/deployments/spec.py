"""What a deploy request asks for, and whether it can be done."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from local.provider.deployments import labels, probing
from local.provider.limits import memory, priority, timeouts
from local.provider.limits.scaling import Scaling
from local.provider.refusal import Refused

NAMESPACE = "openfaas-fn"
MAX_IN_FLIGHT = "com.openfaas.local.max-inflight"
# What the provider says itself: whoever deploys what it was told of a function sends it back.
FUNCTION_LABEL = "faas_function"
ROLLOUT = "com.openfaas.local.rollout"
RESTARTS = "com.openfaas.local.restarts"
REQUIREMENTS = "com.openfaas.local.requirements"
SAID = {"labels": (FUNCTION_LABEL,), "annotations": (ROLLOUT, RESTARTS, REQUIREMENTS)}
NAME = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")  # a DNS label, as on Kubernetes
FOLDER = re.compile(r"[a-z0-9]([-._a-z0-9]{0,126}[a-z0-9])?")
TEXTS = ("service", "image", "envProcess")
TEXT_MAPS = ("envVars", "labels", "annotations", "limits", "requests")


@dataclass(frozen=True)
class Spec:
    """One function as its deploy request describes it; `request` is kept as it came."""

    request: dict[str, Any]

    @classmethod
    def from_request(cls, body: Any) -> Spec:
        """Check a deploy request; raise Refused naming what is wrong with it."""
        if not isinstance(body, dict):
            raise Refused(400, "the deploy request must be a JSON object")
        request = {key: value for key, value in body.items() if value is not None}
        check_shape(request)
        check_namespace(request.pop("namespace", ""))
        spec = cls(without_what_is_said(request))
        if not NAME.fullmatch(spec.name):
            raise Refused(
                400,
                f"function name {spec.name!r} is not allowed: use 1 to 63 lower-case letters,"
                " digits and hyphens, with a letter or digit at both ends",
            )
        if not FOLDER.fullmatch(spec.build_name):
            raise Refused(400, f"image {spec.image!r} does not name a folder of build/")
        check_values(spec)
        return spec

    @property
    def name(self) -> str:
        return str(self.request.get("service", ""))

    @property
    def image(self) -> str:
        return str(self.request.get("image", ""))

    @property
    def build_name(self) -> str:
        """The image's last part without tag and digest: its folder in build/."""
        return re.split("[:@]", self.image.rsplit("/", 1)[-1])[0]

    @property
    def process(self) -> str:
        return str(self.request.get("envProcess", ""))

    @property
    def env(self) -> dict[str, str]:
        return self.request.get("envVars") or {}

    @property
    def secrets(self) -> list[str]:
        return self.request.get("secrets") or []

    @property
    def labels(self) -> dict[str, str]:
        return self.request.get("labels") or {}

    @property
    def annotations(self) -> dict[str, str]:
        return self.request.get("annotations") or {}

    @property
    def limits(self) -> dict[str, str]:
        return self.request.get("limits") or {}

    @property
    def requests(self) -> dict[str, str]:
        return self.request.get("requests") or {}

    @cached_property
    def scaling(self) -> Scaling:
        return Scaling.from_labels(self.labels)

    @cached_property
    def memory_bytes(self) -> int | None:
        quantity = self.limits.get("memory")
        return memory.in_bytes(quantity) if quantity else None

    @cached_property
    def requested_cores(self) -> float:
        """Its share when processors are short; a core where nothing is said."""
        return priority.cores(self.requests.get("cpu") or "1")

    @property
    def nice_value(self) -> int:
        """How far a replica stands back when processors are short."""
        return priority.nice_value(self.requested_cores)

    @property
    def is_read_only(self) -> bool:
        return bool(self.request.get("readOnlyRootFilesystem"))

    @cached_property
    def max_in_flight(self) -> int | None:
        """How many requests a replica is given at a time; None for as many as there are."""
        text = self.annotations.get(MAX_IN_FLIGHT)
        return int(text) if text else None


def check_shape(request: dict[str, Any]) -> None:
    for key in TEXTS:
        if not isinstance(request.get(key, ""), str):
            raise Refused(400, f"{key} must be a text")
    for key in TEXT_MAPS:
        value = request.get(key, {})
        if not isinstance(value, dict) or not all(isinstance(text, str) for text in value.values()):
            raise Refused(400, f"{key} must be an object of texts")
    secrets = request.get("secrets", [])
    if not isinstance(secrets, list) or not all(isinstance(name, str) for name in secrets):
        raise Refused(400, "secrets must be a list of names")
    if not isinstance(request.get("readOnlyRootFilesystem", False), bool):
        raise Refused(400, "readOnlyRootFilesystem must be true or false")


def without_what_is_said(request: dict[str, Any]) -> dict[str, Any]:
    """Leave out the provider's own label and notes, which are no part of a deployment."""
    name, given = request.get("service", ""), request.get("labels", {}).get(FUNCTION_LABEL)
    if given not in (None, name):
        raise Refused(400, f"label {FUNCTION_LABEL} is {given[:80]!r}; it can be {name!r} alone")
    return request | {
        kind: {key: text for key, text in request[kind].items() if key not in said}
        for kind, said in SAID.items()
        if kind in request
    }


def check_values(spec: Spec) -> None:
    """Raise Refused where a label, limit or annotation cannot be kept."""
    labels.check(spec.labels, spec.annotations)
    _ = spec.scaling, spec.memory_bytes, spec.requested_cores, timeouts.asked_for(spec.env)
    try:
        shlex.split(spec.process)
    except ValueError as error:
        raise Refused(400, f"envProcess {spec.process[:80]!r} is no command: {error}") from error
    for name in spec.env:
        if not re.fullmatch(r"[^=]+", name):
            raise Refused(400, f"envVars has the name {name[:80]!r}, which no variable can have")
    in_flight = spec.annotations.get(MAX_IN_FLIGHT, "1")
    if not re.fullmatch(r"[1-9][0-9]{0,4}", in_flight):
        raise Refused(400, f"{MAX_IN_FLIGHT} is {in_flight!r}; it must be a number from 1")
    probing.check(spec.annotations)


def check_namespace(namespace: str | None, status: int = 400) -> None:
    if namespace and namespace != NAMESPACE:
        raise Refused(status, f"namespace {namespace!r} does not exist; there is only {NAMESPACE}")
