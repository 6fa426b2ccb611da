"""Template and functions, which may not know each other, word their problems alike."""

from __future__ import annotations

import json
from types import ModuleType

import pytest

from pipeline import errors
from pipeline.errors import (
    HeadersTooLarge,
    MethodNotAllowed,
    NotFound,
    PipelineError,
    Rejected,
    TooLarge,
    Unavailable,
)
from pipeline.http import web
from tests.samples import TRACEPARENT
from tests.stack import ROOT

TRACE = TRACEPARENT.split("-")[1]


@pytest.fixture
def problems(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(ROOT / "template" / "python3-pipeline")
    from runtime import problems

    return problems


@pytest.mark.parametrize(
    "error",
    [
        Rejected("no"),
        Rejected("no", code="bad-form", found=0, allowed="1 × “file”"),
        Rejected("no", found="\ud800"),
        NotFound("none", found="/x"),
        Unavailable("not now"),
        PipelineError("a bug"),
    ],
)
def test_the_template_writes_a_problem_as_functions_do(
    problems: ModuleType, error: PipelineError
) -> None:
    written = problems.document(
        error.status, str(error), TRACE, error.found, error.allowed, code=error.code
    )

    assert json.loads(written) == json.loads(web.problem(error, TRACE)["body"])
    assert web.problem(error, TRACE)["headers"]["Content-Type"] == problems.CONTENT_TYPE


@pytest.mark.parametrize(
    "error",
    [Rejected, NotFound, MethodNotAllowed, TooLarge, HeadersTooLarge, Unavailable, PipelineError],
)
def test_a_status_without_a_reason_of_its_own_has_the_code_of_its_error(
    problems: ModuleType, error: type[errors.PipelineError]
) -> None:
    assert problems.CODES[error.status] == error.code


def test_a_status_that_has_no_code_is_called_what_it_is(problems: ModuleType) -> None:
    written = json.loads(problems.document(406, "no"))

    assert written == {
        "type": "urn:image-pipeline:problem:not-acceptable",
        "title": "not acceptable",
        "status": 406,
        "detail": "no",
    }


@pytest.mark.parametrize("text", [None, "", "a-b-c-d", "00-" + "0" * 32 + "-00f067aa0ba902b7-01"])
def test_a_trace_is_told_only_when_it_is_one(problems: ModuleType, text: str | None) -> None:
    assert problems.trace_id_of(TRACEPARENT) == TRACE
    assert problems.trace_id_of(text) is None
