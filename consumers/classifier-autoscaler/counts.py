"""What OpenFaaS' metrics say of the requests of each function."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping
from typing import NamedTuple

# gateway_function_invocation_total{code="200",function_name="env.openfaas-fn"} 12.0
_SAMPLE = re.compile(
    r"^gateway_function_invocation_(started|total)\{"
    r'(?:[^}]*,)?function_name="([^"\\]+)"[^}]*\} ([0-9.e+]+)',
    re.MULTILINE,
)


class Count(NamedTuple):
    """Requests of a function since whoever counts began."""

    started: float = 0.0
    in_flight: float = 0.0


def read(text: str) -> Mapping[str, Count]:
    """Read the counts out of the text that Prometheus is given, by the function's bare name."""
    found: dict[str, dict[str, float]] = defaultdict(lambda: {"started": 0.0, "total": 0.0})
    for kind, name, value in _SAMPLE.findall(text):
        found[name.partition(".")[0]][kind] += float(value)
    return {
        name: Count(each["started"], max(0.0, each["started"] - each["total"]))
        for name, each in found.items()
    }
