"""Our provider answers as OpenFaaS does, but for what docs/openfaas.md lists as wanted."""

from __future__ import annotations

import pytest

from tests.openfaas import differences
from tests.openfaas.cases import CASES, QUEUED
from tests.openfaas.differences import Difference, Row
from tests.openfaas.ours import our_door
from tests.openfaas.recording import FAILED, Seen, recorded
from tests.openfaas.run import see

LISTED = differences.listed()
NAMES = [case.name for case in CASES]
# Those of a queue alone are looked for where there is one.
ROWS = [row for row in LISTED if any(row.tells_of(name) for name in NAMES)]


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory) -> Seen:
    with our_door(tmp_path_factory.mktemp("ours")) as door:
        return see(door, CASES)


@pytest.fixture(scope="module")
def found(ours: Seen) -> list[Difference]:
    return differences.found(recorded(), ours)


def test_every_case_is_recorded_of_openfaas_itself() -> None:
    names = [case.name for case in (*CASES, *QUEUED)]

    assert sorted(names) == sorted(recorded())


@pytest.mark.parametrize("name", NAMES)
def test_what_differs_is_wanted(name: str, ours: Seen, found: list[Difference]) -> None:
    here = [each for each in found if each.case == name]

    assert FAILED not in ours[name]
    assert list(map(str, differences.unlisted(here, LISTED))) == []


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.case}-{row.fact}"[:60])
def test_what_is_listed_still_differs(row: Row, found: list[Difference]) -> None:
    assert differences.gone(found, [row]) == []
