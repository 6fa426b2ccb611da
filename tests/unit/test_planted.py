"""The planted bugs follow the code: each text they replace is there, exactly once."""

from __future__ import annotations

import ast

import pytest

from tests.chaos.checker import Verdict
from tests.chaos.planted import BUGS, Bug
from tests.stack import ROOT


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.name)
def test_every_planted_text_is_in_the_code_once(bug: Bug) -> None:
    assert [edit.count() for edit in bug.edits] == [1] * len(bug.edits)


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.name)
def test_the_code_with_a_bug_is_still_python(bug: Bug) -> None:
    for edit in bug.edits:
        text = (ROOT / edit.path).read_text(encoding="utf-8")
        ast.parse(text.replace(edit.old, edit.new))


def test_there_are_eight_and_the_checker_has_a_list_for_each() -> None:
    assert len({bug.name for bug in BUGS}) == 8
    assert all(isinstance(getattr(Verdict(), name), list) for bug in BUGS for name in bug.called)
