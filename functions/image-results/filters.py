"""How a result is narrowed by the query: `minConfidence`, `maxLabels`, `model`."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pipeline.errors import Rejected
from pipeline.ids import MODEL_ID_PATTERN


@dataclass(frozen=True)
class LabelFilter:
    """Keeps the labels a client asked for."""

    min_confidence: float = 0.0
    max_labels: int | None = None

    @classmethod
    def from_query(cls, query: Mapping[str, str]) -> LabelFilter:
        """Read the filter out of the query.

        Raises:
            Rejected: a value is no number, or out of its range.
        """
        confidence = query.get("minConfidence", "0")
        count = query.get("maxLabels")
        return cls(_fraction(confidence), None if count is None else _count(count))

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
    model = query.get("model", current)
    if not MODEL_ID_PATTERN.fullmatch(model):
        raise _bad("model", model, "letters, digits, '-' and '_'")
    return model


def _fraction(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0.0 <= value <= 1.0:
        raise _bad("minConfidence", text, "a number from 0 to 1")
    return value


def _count(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 1 <= len(text) <= 6 and int(text) > 0):
        raise _bad("maxLabels", text, "a whole number from 1")
    return int(text)


def _bad(name: str, found: str, allowed: str) -> Rejected:
    shown = found[:200]
    return Rejected(
        f"{name} is {shown!r}; allowed: {allowed}", code="bad-query", found=shown, allowed=allowed
    )
