"""What makes a measurement void: a wrong answer, a missing one, a process that ended meanwhile."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

Labels = Sequence[Mapping[str, Any]]

# The same engine on the same bytes: what differs is rounding.
_SCORE_TOLERANCE = 1e-3


class BenchFailed(Exception):
    """The figures would mean nothing; the text says why."""


def check_labels(expected: Labels, answers: Iterable[Labels]) -> int:
    """Compare the labels of every answer with the expected ones; return how many were compared.

    Raises:
        BenchFailed: some differ; a faster wrong answer is no answer.
    """
    count, wrong = 0, []
    for labels in answers:
        count += 1
        if not _equal(expected, labels):
            wrong.append(labels)
    if wrong:
        raise BenchFailed(
            f"{len(wrong)} of {count} answers are wrong, the first is {list(wrong[0])};"
            f" expected {list(expected)}"
        )
    return count


def _equal(expected: Labels, found: Labels) -> bool:
    return len(expected) == len(found) and all(
        one["label"] == other["label"] and abs(one["score"] - other["score"]) <= _SCORE_TOLERANCE
        for one, other in zip(expected, found, strict=True)
    )
