"""Problems by their codes, as docs/problems.md lists them: which a test holds against the code."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

_PAGE = Path(__file__).parents[2] / "docs" / "problems.md"
_ROW = re.compile(r"^\| `([a-z-]+)` \| (\d{3}) \| [^|]+ \| ([^|]+) \| ([^|]+) \|$", re.MULTILINE)
TYPE = "urn:image-pipeline:problem:"

# Said by Nginx before anybody looks at what is called.
FIRST = (
    "rate-limited",
    "bad-request",
    "bad-target",
    "https-required",
    "target-too-long",
    "unsupported-encoding",
    "headers-too-large",
    "not-implemented",
)
# The same, of what Nginx does not answer at once.
EDGE = (*FIRST, "too-many-connections")
NO_BODY = ("body-too-large",)
KEYED = ("unauthorized", "too-many-wrong-keys")
SCOPED = (*KEYED, "forbidden")
# Of whatever is answered behind the gateway.
PROXIED = (
    "function-not-found",
    "too-many-requests",
    "internal",
    "function-broke-off",
    "unavailable",
    "function-too-slow",
)
# Of a call that is made later: whoever takes it.
QUEUED = (
    "function-not-found",
    "too-many-requests",
    "callback-not-allowed",
    "internal",
    "unavailable",
    "queue-full",
    "function-too-slow",
)
# Said of a picture, wherever one is taken.
PICTURE = (
    "empty-body",
    "image-too-large",
    "unsupported-format",
    "damaged-image",
    "truncated-image",
    "too-many-pixels",
    "image-too-small",
    "too-costly",
)
# Of what is no call of the document: nothing is there, or it takes other methods.
ELSEWHERE = (*EDGE, *NO_BODY, *KEYED, "not-found", "method-not-allowed")


@dataclass(frozen=True)
class Code:
    """One row of the page."""

    name: str
    status: int
    means: str
    advice: str

    @property
    def type(self) -> str:
        """What a problem says of itself."""
        return TYPE + self.name


@functools.cache
def known() -> dict[str, Code]:
    """Read every code of the page that has a status."""
    rows = _ROW.findall(_PAGE.read_text(encoding="utf-8"))
    return {name: Code(name, int(status), *map(_plain, texts)) for name, status, *texts in rows}


def by_status(names: Iterable[str]) -> dict[int, list[Code]]:
    """Sort codes into the answers that they come with.

    Raises:
        KeyError: the page has no such code.
    """
    found: dict[int, list[Code]] = {}
    for name in dict.fromkeys(names):
        code = known()[name]
        found.setdefault(code.status, []).append(code)
    return dict(sorted(found.items()))


def _plain(text: str) -> str:
    """Take links out, which lead nowhere from here."""
    return re.sub(r"\[([^\]]+)\]\([^)]+\)", r"\1", text)
