"""Durations are read as Go writes them, or as a number of seconds."""

from __future__ import annotations

import pytest

from pipeline.timeouts.durations import in_seconds


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("10", 10),
        ("1.5", 1.5),
        ("10s", 10),
        ("1m30s", 90),
        ("500ms", 0.5),
        ("1h", 3600),
        ("0", 0),
        ("", None),
        ("soon", None),
        ("-1s", None),
        ("10 s", None),
        ("1e3", None),
    ],
)
def test_a_duration_is_read_or_is_none(text: str, seconds: float | None) -> None:
    assert in_seconds(text) == seconds
