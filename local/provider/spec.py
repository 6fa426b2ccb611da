"""What a deploy request asks for, and whether it can be done."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

NAMESPACE = "openfaas-fn"
MAX_REPLICAS = 32  # processes of one function, on one machine
EXEC_TIMEOUT_SECONDS = 60.0  # the template's default
MARGIN_SECONDS = 5.0  # so that the replica itself can answer 504
MIN_LABEL = "com.openfaas.scale.min"
NAME = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")  # a DNS label, as on Kubernetes
FOLDER = re.compile(r"[a-z0-9]([-._a-z0-9]{0,126}[a-z0-9])?")
TEXTS = ("service", "image", "envProcess")
TEXT_MAPS = ("envVars", "labels", "annotations", "limits", "requests")


class Refused(Exception):
    """A request that cannot be done; `status` and the message are its answer."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


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
        spec = cls(request)
        if not NAME.fullmatch(spec.name):
            raise Refused(
                400,
                f"function name {spec.name!r} is not allowed: use 1 to 63 lower-case letters,"
                " digits and hyphens, with a letter or digit at both ends",
            )
        if not FOLDER.fullmatch(spec.build_name):
            raise Refused(400, f"image {spec.image!r} does not name a folder of build/")
        number_of_replicas(spec.labels.get(MIN_LABEL, "1"))
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
    def timeout_seconds(self) -> float:
        """How long a replica may take to answer: what it allows itself, and a margin."""
        given = self.env.get("EXEC_TIMEOUT", "")
        is_number = re.fullmatch(r"\d+(\.\d+)?", given)
        return (float(given) if is_number else EXEC_TIMEOUT_SECONDS) + MARGIN_SECONDS

    @property
    def secrets(self) -> list[str]:
        return self.request.get("secrets") or []

    @property
    def labels(self) -> dict[str, str]:
        return self.request.get("labels") or {}

    @property
    def min_replicas(self) -> int:
        return max(1, number_of_replicas(self.labels.get(MIN_LABEL, "1")))


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


def check_namespace(namespace: str | None) -> None:
    if namespace and namespace != NAMESPACE:
        raise Refused(400, f"namespace {namespace!r} does not exist; there is only {NAMESPACE}")


def number_of_replicas(value: Any) -> int:
    """Read a number of replicas from a label or a scale request."""
    if not re.fullmatch(r"\d{1,4}", str(value)) or int(value) > MAX_REPLICAS:
        raise Refused(400, f"{value!r} replicas are not possible; 0 to {MAX_REPLICAS} are")
    return int(value)
