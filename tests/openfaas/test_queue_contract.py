"""Calls that are made later: ours as OpenFaaS', but for what docs/openfaas.md lists as wanted."""

from __future__ import annotations

import pytest

from tests.openfaas import differences
from tests.openfaas.cases import CASES, QUEUED
from tests.openfaas.differences import Difference
from tests.openfaas.ours import our_door_with_a_queue
from tests.openfaas.recording import FAILED, Seen, recorded
from tests.openfaas.run import see

NAMES = [case.name for case in QUEUED]
LISTED = differences.listed()
# The others are looked for where our provider is asked alone.
ROWS = [row for row in LISTED if not any(row.tells_of(case.name) for case in CASES)]


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory) -> Seen:
    with our_door_with_a_queue(tmp_path_factory.mktemp("ours") / "state") as door:
        return see(door, QUEUED)


@pytest.fixture(scope="module")
def found(ours: Seen) -> list[Difference]:
    return differences.found(recorded(), ours)


@pytest.mark.parametrize("name", NAMES)
def test_what_differs_is_wanted(name: str, ours: Seen, found: list[Difference]) -> None:
    assert FAILED not in ours[name]
    here = [each for each in found if each.case == name]
    assert list(map(str, differences.unlisted(here, LISTED))) == []


def test_what_is_listed_still_differs(found: list[Difference]) -> None:
    assert differences.gone(found, ROWS) == []
