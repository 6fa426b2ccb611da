"""Which connections a replica that is told to stop still waits for."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from tests.stack import ROOT

NOW = 1_800_000_000.0


def _connection(age_seconds: float) -> SimpleNamespace:
    """A connection on which nothing has come in yet."""
    opened = NOW - age_seconds
    return SimpleNamespace(
        creation_time=opened,
        last_activity=opened,
        request=None,
        requests=[],
        writable=lambda: False,
    )


@pytest.mark.parametrize(
    ("age_seconds", "is_awaited"),
    [
        pytest.param(0.1, True, id="young"),
        pytest.param(60, False, id="old"),
        pytest.param(-7200, False, id="the clock was set back two hours"),
    ],
)
def test_a_silent_connection_is_waited_for_while_it_is_young(
    monkeypatch: pytest.MonkeyPatch, age_seconds: float, is_awaited: bool
) -> None:
    monkeypatch.syspath_prepend(ROOT / "template" / "python3-pipeline")
    from runtime import drain

    monkeypatch.setattr(drain, "time", SimpleNamespace(time=lambda: NOW))

    assert drain.is_busy(_connection(age_seconds)) is is_awaited
