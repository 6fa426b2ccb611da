"""How many replicas a function may have: OpenFaaS' scaling labels."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from local.provider.refusal import Refused

MAX_REPLICAS = 32  # processes of one function, on one machine
MIN_LABEL = "com.openfaas.scale.min"
MAX_LABEL = "com.openfaas.scale.max"
ZERO_LABEL = "com.openfaas.scale.zero"


@dataclass(frozen=True)
class Scaling:
    """From `least` to `most` replicas; none at all too where `may_be_zero`."""

    least: int
    most: int
    may_be_zero: bool

    @classmethod
    def from_labels(cls, labels: Mapping[str, str]) -> Scaling:
        """Read the labels; raise Refused where they cannot be kept."""
        least = max(1, number_of_replicas(labels.get(MIN_LABEL, "1")))
        most = number_of_replicas(labels.get(MAX_LABEL, str(MAX_REPLICAS)))
        if most < least:
            raise Refused(400, f"{MAX_LABEL} is {most}; it must be at least {least}")
        return cls(least, most, labels.get(ZERO_LABEL, "").lower() == "true")

    def clamp(self, replicas: int) -> int:
        """Return the allowed number that is nearest, as OpenFaaS' own scaling does."""
        if replicas == 0 and self.may_be_zero:
            return 0
        return min(self.most, max(self.least, replicas))


def number_of_replicas(value: Any, kind: type = str) -> int:
    """Read a number of replicas: of a label, which is a text, or of a request, which has an int."""
    is_of_kind = isinstance(value, kind) and not isinstance(value, bool)
    if not is_of_kind or not re.fullmatch(r"[0-9]{1,4}", str(value)) or int(value) > MAX_REPLICAS:
        raise Refused(400, f"{value!r} replicas are not possible; 0 to {MAX_REPLICAS} are")
    return int(value)
