"""What a label and an annotation may be: what Kubernetes takes, so that it deploys there, too."""

from __future__ import annotations

import re
from collections.abc import Mapping

from local.provider.refusal import Refused

MAX_ANNOTATION_BYTES = 256 * 1024  # of all of a function
_WORD = r"[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?"
_DOMAIN = r"(?=.{1,253}/)[a-z0-9](?:[-a-z0-9.]*[a-z0-9])?/"
_NAME = re.compile(rf"(?:{_DOMAIN})?{_WORD}")
_VALUE = re.compile(rf"(?:{_WORD})?")
_WORDS = (
    "up to 63 letters, digits, hyphens, underscores and dots, with a letter or digit at both ends"
)


def check(labels: Mapping[str, str], annotations: Mapping[str, str]) -> None:
    """Refuse what Kubernetes would refuse, naming it and what is allowed."""
    for kind, given in (("labels", labels), ("annotations", annotations)):
        for name in given:
            if not _NAME.fullmatch(name):
                allowed = f"{_WORDS}, after a domain and a slash if need be"
                raise Refused(400, f"{kind} has the name {name[:80]!r}; allowed are {allowed}")
    for name, value in labels.items():
        if not _VALUE.fullmatch(value):
            raise Refused(400, f"label {name} is {value[:80]!r}; allowed are {_WORDS}, or nothing")
    size = sum(len(f"{name}{value}".encode()) for name, value in annotations.items())
    if size > MAX_ANNOTATION_BYTES:
        detail = f"annotations have {size} bytes; {MAX_ANNOTATION_BYTES} are allowed"
        raise Refused(400, detail)
