"""What a quota may be, and which one holds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from imagectl import quotas
from pipeline.errors import Conflict, OverQuota
from pipeline.ids import TENANT_BUCKET
from pipeline.kafka import topics
from pipeline.kafka.backlog import Reading
from pipeline.kafka.publisher import Written
from pipeline.quotas import KEY, Quota, Quotas
from pipeline.settings import Settings
from pipeline.storage.usage import Settled, Usage, Used
from quota_gate import QuotaGate
from tests.fakes import MemoryStore


def test_what_is_written_is_read() -> None:
    own = {"one": {"images_a_day": 5}, "two": {}}

    assert Quotas.parse(Quotas(own).document()).own == own


def test_a_tenant_has_its_own_limits_and_the_settings_for_the_rest() -> None:
    usual = Quota.from_settings(Settings(quota_images_a_day=10, quota_stored_bytes=7))
    known = Quotas({"one": {"images_a_day": 0, "bytes_a_day": 9}})

    assert known.of("one", usual) == Quota(bytes_a_day=9, stored_bytes=7)
    assert known.of("two", usual) == usual


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


class Counts(Usage):
    """A Redis of one tenant, where as much is stored as may be; what it was told."""

    def __init__(self, in_flight: int = 0) -> None:
        self.settled: list[Settled] = []
        self.in_flight = in_flight
        self.asked: list[str] = []
        self.is_counting = False

    def take(self, *_: Any, adds: bool = True) -> Used | None:
        return Used(1, 1, 1, 1, 1, "stored_images" if adds else None, is_stored_known=True)

    def settle(self, settled: Sequence[Settled]) -> None:
        self.settled += settled

    def finish(self, tenants: Sequence[str], spans: Sequence[tuple[int, int]]) -> set[str]:
        self.asked += tenants
        return set(tenants) if self.in_flight else set()

    def begin_counting(self, tenant: str) -> bool:
        self.is_counting = True
        return True


def test_at_a_full_store_what_is_stored_already_comes_in_and_is_not_counted() -> None:
    usage = Counts()
    gate = QuotaGate(MemoryStore(), usage, Quota(stored_images=1))

    with gate.one("one", 1000, lambda: True) as taken:
        taken.place = (topics.UPLOADS, Written(0, 0))
    with pytest.raises(OverQuota), gate.one("one", 1000, lambda: False):
        pass
    gate.tell()

    assert [each.is_stored_before for each in usage.settled] == [False]


@pytest.mark.parametrize(("in_flight", "asked"), [(0, 1), (1, 2)])
def test_who_has_nothing_in_flight_is_not_looked_for(in_flight: int, asked: int) -> None:
    usage = Counts(in_flight)
    gate = QuotaGate(MemoryStore(), usage, Quota(images_in_flight=2))
    with gate.one("one", 1000, lambda: True) as taken:
        taken.place = (topics.UPLOADS, Written(0, 0))

    for position in (1, 2):
        gate.note(Reading(0, 0, {(topics.UPLOADS.name, 0): position}))
        gate.tell()

    assert usage.asked == ["one"] * asked


def test_a_store_that_refuses_for_good_ends_nothing(caplog: pytest.LogCaptureFixture) -> None:
    class Unknown(Counts):
        def take(self, *_: Any, adds: bool = True) -> Used | None:
            return Used()

    store, usage = MemoryStore(), Unknown()
    gate = QuotaGate(store, usage, Quota(stored_images=1))
    with gate.one("one", 1000):
        pass
    store.refused = {KEY, ""}

    gate.read()
    gate.tell()

    assert usage.is_counting
    assert [each.message for each in caplog.records] == [
        "quotas are not known",
        "stored images not counted",
    ]


class Crowded(MemoryStore):
    """Between a reading and the writing after it others come in, so often."""

    def __init__(self, often: int) -> None:
        super().__init__()
        self.often = often

    def tagged(self, bucket: str, key: str) -> tuple[bytes | None, str]:
        read = super().tagged(bucket, key)
        if self.often:
            self.often -= 1
            quotas.change(self, f"other-{self.often}", {"images_a_day": 7})
        return read


@pytest.mark.parametrize("often", [0, 1, 5])
def test_what_others_set_meanwhile_stands(often: int) -> None:
    store = Crowded(often)

    quotas.change(store, "one", {"images_a_day": 5})
    quotas.change(store, "one", {"images_a_day": "default", "bytes_a_day": 9})

    others = {f"other-{number}": {"images_a_day": 7} for number in range(often)}
    assert Quotas.parse(store.get(TENANT_BUCKET, KEY)).own == {"one": {"bytes_a_day": 9}, **others}


def test_who_never_has_a_turn_is_told_so() -> None:
    class Busy(MemoryStore):
        def replace(self, *_: Any) -> bool:
            return False

    with pytest.raises(Conflict, match="nothing is set: try again"):
        quotas.change(Busy(), "one", {"images_a_day": 5})


def test_a_tenant_without_a_quota_costs_nothing() -> None:
    class Untouched(Usage):
        """Counts nothing, and must not be asked to."""

        def __init__(self) -> None:
            pass

    gate = QuotaGate(MemoryStore(), Untouched(), Quota())

    with gate.one("one", 1000) as taken:
        taken.created = True

    assert taken.headers is None
