"""One line of the proof: which guarantee, what was tried, what was found, and whether it held."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from pipeline.errors import PipelineError

GUARANTEES = {
    1: "what was accepted ends",
    2: "one visible result, the model's",
    3: "committed after the work",
    4: "a bad image costs one attempt",
    5: "Redis is a cache",
    6: "a bad image delays no other",
    7: "beyond the bound: 429 or 503",
    8: "power loss",
}
PASS, FAIL, NOT_SEEN = "pass", "fail", "not seen"
_EXAMPLES = 5


class CannotProve(PipelineError):
    """The proof cannot begin; the text says why."""


@dataclass(frozen=True)
class Line:
    """One guarantee, tried in one way.

    Attributes:
        figures: what was counted or measured, by name.
        wrong: what broke the guarantee, one text each; the line holds when there is none.
        is_seen: whether it could be tried at all; if not, nothing is claimed.
    """

    guarantee: int
    tried: str
    figures: Mapping[str, object] = field(default_factory=dict)
    wrong: Sequence[str] = ()
    is_seen: bool = True

    @property
    def verdict(self) -> str:
        """Pass, fail, or not seen."""
        if not self.is_seen:
            return NOT_SEEN
        return FAIL if self.wrong else PASS

    @property
    def examples(self) -> Sequence[str]:
        """The first things that were wrong, and how many more there are."""
        more = len(self.wrong) - _EXAMPLES
        return [*self.wrong[:_EXAMPLES], *([f"and {more} more"] if more > 0 else [])]


def not_seen(guarantee: int, why: str) -> Line:
    """Say that a guarantee was not tried, and why."""
    return Line(guarantee, why, is_seen=False)
