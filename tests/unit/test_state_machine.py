"""The state machine of R11 finds a consumer that commits before its work is done."""

from __future__ import annotations

import pytest

from progress import Progress
from tests.chaos.r11_state_machine import explore


def test_a_few_runs_find_nothing() -> None:
    explore(3, seed=1)


def test_a_consumer_that_commits_before_its_work_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    read = Progress.read

    def hasty(self: Progress, offset: int) -> int:
        distance = read(self, offset)
        self.finish(offset)
        return distance

    monkeypatch.setattr(Progress, "read", hasty)

    with pytest.raises(AssertionError, match="committed before anything was acknowledged"):
        explore(30, seed=1)
