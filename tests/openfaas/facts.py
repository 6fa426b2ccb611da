"""What of an answer is compared: by name, each a short text that is the same in every run."""

from __future__ import annotations

import json
import re
from typing import Any

from tests.openfaas.door import Answer

Facts = dict[str, str]

HEADERS = (
    "Allow",
    "Content-Type",
    "Location",
    "Retry-After",
    "WWW-Authenticate",
    "X-Call-Id",
    "X-Duration-Seconds",
    "X-Start-Time",
)
_LONGEST = 200
# A value that is another one each time is told by what kind it is of.
_KINDS = (
    ("a UUID", r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"),
    ("nanoseconds since 1970", r"1[0-9]{18}"),
    ("seconds", r"[0-9]+\.[0-9]{6}"),
    ("an address", r"[0-9]{1,3}(\.[0-9]{1,3}){3}"),
    ("an address and a port", r"[0-9]{1,3}(\.[0-9]{1,3}){3}:[0-9]+"),
    ("a time", r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]+(Z|\+00:00)"),
    ("a trace", r"00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}"),
)


def kind(value: str) -> str:
    """Return what kind of value it is, where it differs from run to run or is long; else itself."""
    if len(value) > _LONGEST:
        return f"{len(value)} characters"
    for name, pattern in _KINDS:
        if re.fullmatch(pattern, value):
            return name
    parts = value.split(", ")
    if len(parts) > 1 and (kinds := [kind(part) for part in parts]) != parts:
        return ", ".join(kinds)
    return value


def of_answer(answer: Answer) -> Facts:
    """Tell status, headers and what the body is."""
    facts = {"status": str(answer.status), "body": body(answer)}
    for name in HEADERS:
        if (value := answer.header(name)) is not None:
            facts[f"header {name}"] = kind(value)
    return facts


def body(answer: Answer) -> str:
    """Tell what a body is; what its text says is each side's own."""
    if not answer.body.strip():
        return "none"
    if (answer.header("Content-Type") or "").startswith("application/problem+json"):
        return "a problem in JSON"
    try:
        document = json.loads(answer.body)
    except ValueError:
        return "text"
    if isinstance(document, dict):
        return "an object in JSON"
    return "a list in JSON" if isinstance(document, list) else "text"


def of_fields(document: dict[str, Any], prefix: str = "field ") -> Facts:
    """Tell each field of a JSON object, those of objects inside it by their paths."""
    facts: Facts = {}
    for name, value in document.items():
        if isinstance(value, dict):
            facts |= of_fields(value, f"{prefix}{name} ")
        elif isinstance(value, list) and any(isinstance(each, dict) for each in value):
            facts[f"{prefix}{name}"] = "a list of objects"
        elif isinstance(value, bool | list):
            facts[f"{prefix}{name}"] = json.dumps(value)
        else:
            facts[f"{prefix}{name}"] = kind(str(value))
    return facts


def of_told(answer: Answer) -> Facts:
    """Tell what the mirror says that it was told."""
    seen = answer.json()
    facts = {f"told {what}": kind(str(seen[what])) for what in ("method", "target", "bytes")}
    by_name: dict[str, list[str]] = {}
    for name, value in seen["headers"]:
        by_name.setdefault(name.title(), []).append(kind(value))
    return facts | {f"told {name}": ", ".join(values) for name, values in by_name.items()}
