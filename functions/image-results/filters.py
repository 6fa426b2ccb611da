"""How a result is narrowed by the query: `minConfidence`, `maxLabels`, `model`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pipeline.errors import Rejected
from pipeline.ids import MODEL_ID_PATTERN

# One spelling a number, in ASCII: what Python takes for one beyond that, nobody means.
_FRACTION = re.compile(r"0(?:\.[0-9]{1,17})?|1(?:\.0{1,17})?")
_COUNT = re.compile(r"[1-9][0-9]{0,5}")


@dataclass(frozen=True)
class LabelFilter:
    """Keeps the labels a client asked for."""

    min_confidence: float = 0.0
    max_labels: int | None = None

    @classmethod
    def from_query(cls, query: Mapping[str, str]) -> LabelFilter:
        """Read the filter out of the query.

        Raises:
            Rejected: a value is no number, out of its range, or given twice.
        """
        confidence = _one(query, "minConfidence")
        count = _one(query, "maxLabels")
        return cls(
            0.0 if confidence is None else _fraction(confidence),
            None if count is None else _count(count),
        )

    def apply(self, result: dict[str, Any]) -> dict[str, Any]:
        """Return the result with fewer labels."""
        if "labels" not in result:
            return result
        kept = [label for label in result["labels"] if label["score"] >= self.min_confidence]
        return {**result, "labels": kept[: self.max_labels]}


def model_in(query: Mapping[str, str], current: str) -> str:
    """Take the model out of the query, else the current one.

    Raises:
        Rejected: it cannot be a model's id.
    """
    model = _one(query, "model")
    if model is None:
        return current
    if not MODEL_ID_PATTERN.fullmatch(model):
        raise _bad("model", model, "letters, digits, '-' and '_'")
    return model


def _one(query: Mapping[str, str], name: str) -> str | None:
    """Take the one value of a name; OpenFaaS' templates give a mapping that may hold several."""
    values = query.getlist(name) if hasattr(query, "getlist") else [query.get(name)]
    if len(values) > 1:
        raise _bad(name, ", ".join(map(str, values)), "one value")
    return values[0] if values else None


def _fraction(text: str) -> float:
    if not _FRACTION.fullmatch(text):
        raise _bad("minConfidence", text, "a number from 0 to 1, such as 0.5")
    return float(text)


def _count(text: str) -> int:
    if not _COUNT.fullmatch(text):
        raise _bad("maxLabels", text, "a whole number from 1 to 999999")
    return int(text)


def _bad(name: str, found: str, allowed: str) -> Rejected:
    shown = found[:200]
    return Rejected(
        f"{name} is {shown!r}; allowed: {allowed}", code="bad-query", found=shown, allowed=allowed
    )
