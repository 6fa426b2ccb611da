"""Some of what can be tried at length: nothing hostile is a crash, and all is cheap."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.provider import eventually
from tests.security import fields_fuzz, multipart_fuzz, requests_fuzz
from tests.template_server import Server


def test_any_form_is_read_or_refused_at_once() -> None:
    figures = multipart_fuzz.fuzz(150)

    assert figures.read > 20
    assert figures.refused > 20
    assert figures.statuses <= {400, 415, 431}
    assert figures.worst_seconds < 0.2


def test_any_preference_query_and_batch_has_one_meaning_or_is_refused() -> None:
    fields_fuzz.fuzz(100)


@pytest.mark.parametrize("seed", [1])
def test_every_answer_is_that_of_its_request(tmp_path: Path, seed: int) -> None:
    server = Server(tmp_path / "server", RECEIVE_TIMEOUT="0.2")
    try:
        eventually(server.is_up)

        statuses = requests_fuzz.fuzz(server.port, 400, seed)

        assert server.is_up()
        assert {200, 201, 400, 405, 413, 431, 501, 505} <= statuses.keys()
        assert server.output() == ""
    finally:
        server.close()
