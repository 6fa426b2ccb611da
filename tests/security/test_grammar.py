"""Of a thousand requests that are nearly right, none breaks a door or gets another's answer."""

from __future__ import annotations

from pathlib import Path

from tests.security.doors import faults_of

SEED = 17
REQUESTS = 1000


def test_no_request_breaks_a_door_or_gets_the_answer_of_another(tmp_path: Path) -> None:
    assert faults_of(tmp_path, REQUESTS, SEED) == {"gateway": [], "provider": []}
