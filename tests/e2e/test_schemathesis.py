"""What schemathesis makes of the document: no 5xx, nothing undocumented, no process ends."""

from __future__ import annotations

from tests.security.openapi_fuzz import fuzz
from tests.stack import Stack

_CASES, _SEED = 370, 20


def test_requests_of_all_kinds_are_answered_as_the_document_has_it(stack: Stack) -> None:
    figures = fuzz(stack, _CASES, _SEED)

    assert figures.faults == []
    assert figures.died == []
    assert figures.cases > _CASES * 0.7
    assert {200, 202, 400, 401, 404} <= figures.statuses.keys()
