"""What a quota may be, and which one holds."""

from __future__ import annotations

import pytest

from pipeline.quotas import Quota, Quotas
from pipeline.settings import Settings
from pipeline.storage.usage import Usage
from quota_gate import QuotaGate
from tests.fakes import MemoryStore


def test_what_is_written_is_read() -> None:
    own = {"one": {"images_a_day": 5}, "two": {}}

    assert Quotas.parse(Quotas(own).document()).own == own


def test_a_tenant_has_its_own_limits_and_the_settings_for_the_rest() -> None:
    usual = Quota.from_settings(Settings(quota_images_a_day=10, quota_stored_bytes=7))
    quotas = Quotas({"one": {"images_a_day": 0, "bytes_a_day": 9}})

    assert quotas.of("one", usual) == Quota(bytes_a_day=9, stored_bytes=7)
    assert quotas.of("two", usual) == usual


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (b"[]", "an object of at most 10000 tenants"),
        (b'{"One": {}}', "'One' is no tenant; allowed: "),
        (b'{"one": 5}', "the quota of 'one' is no object"),
        (b'{"one": {"images": 5}}', "'images' is no quota; allowed: images_a_day"),
        (b'{"one": {"images_a_day": -1}}', "images_a_day is -1; allowed: whole numbers"),
        (b'{"one": {"images_a_day": true}}', "images_a_day is True; allowed: whole numbers"),
        (b'{"one": {"images_a_day": 1.5}}', "images_a_day is 1.5; allowed: whole numbers"),
        (b'{"one": {"images_in_flight": 20001}}', "allowed: whole numbers to 20000"),
        (b'{"one": {}, "one": {}}', "one"),
        (b"\xff", "utf-8"),
    ],
)
def test_what_is_no_quota_is_refused_by_name(text: bytes, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        Quotas.parse(text)


def test_a_tenant_without_a_quota_costs_nothing() -> None:
    class Untouched(Usage):
        """Counts nothing, and must not be asked to."""

        def __init__(self) -> None:
            pass

    gate = QuotaGate(MemoryStore(), Untouched(), Quota())

    with gate.one("one", 1000) as taken:
        taken.created = True

    assert taken.headers is None
