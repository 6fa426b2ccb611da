"""What a tenant may send: counted in Redis, exactly, whoever asks at once."""

from __future__ import annotations

import uuid
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace

import pytest

from pipeline.errors import OverQuota
from pipeline.ids import INPUT_BUCKET, TENANT_BUCKET
from pipeline.kafka import topics
from pipeline.kafka.backlog import Reading
from pipeline.kafka.publisher import Written
from pipeline.quotas import KEY, Quota, Quotas
from pipeline.storage.usage import Usage
from quota_gate import QuotaGate, Taken
from scores import finished
from tests.fakes import MemoryStore
from tests.nowhere import unanswered
from tests.redis_client import redis_of
from tests.stack import Stack

NOON = 1_800_014_400.0
DAY = 24 * 3600.0
SIZE = 1000
LANE = topics.BULK[1]


class Door:
    """A gate of one tenant, over a real Redis; a store and a clock of the test's own."""

    def __init__(self, usage: Usage, **limits: int) -> None:
        self.tenant = f"t-{uuid.uuid4().hex}"
        self.now, self.offset, self.looks = NOON, 0, 0
        self.store = MemoryStore()
        self.store.now = lambda: self.now
        self.usage = usage
        self.gate = QuotaGate(self.store, usage, Quota(), self._look, lambda: self.now)
        self.set(**limits)

    def set(self, **limits: int) -> None:
        text = Quotas({self.tenant: limits}).document()
        self.store.put(TENANT_BUCKET, KEY, text, "application/json")
        self.gate.read()

    def sends(self, count: int = 1, *, size: int = SIZE, is_new: bool = True) -> int:
        """How many of so many images come in."""
        return sum(self._comes_in(size, is_new) for _ in range(count))

    def fails(self) -> None:
        """Let one image be taken that comes to nothing."""
        with pytest.raises(ZeroDivisionError), self.gate.one(self.tenant, SIZE):
            raise ZeroDivisionError
        self.gate.tell()

    def refusal(self, size: int = SIZE) -> OverQuota:
        with pytest.raises(OverQuota) as refused, self.gate.one(self.tenant, size):
            pass
        return refused.value

    def finished(self, position: int) -> None:
        """Let the consumer group be so far."""
        self.gate.note(Reading(0, 0, {(LANE.name, 2): position, (topics.RETRY.name, 0): 9}))
        self.gate.tell()

    def used(self) -> dict[str, object]:
        self.gate.tell()
        used = self.usage.of(self.tenant, "2027-01-15")
        assert used
        return asdict(used)

    def _comes_in(self, size: int, is_new: bool) -> bool:
        try:
            with self.gate.one(self.tenant, size) as taken:
                self._accept(taken, is_new)
        except OverQuota:
            return False
        return True

    def _accept(self, taken: Taken, is_new: bool) -> None:
        taken.created = is_new
        if is_new:
            key = f"{self.tenant}/ab/{self.offset}.jpg"
            self.store.put(INPUT_BUCKET, key, bytes(SIZE), "image/jpeg")
        taken.place = (LANE, Written(2, self.offset))
        self.offset += 1

    def _look(self) -> None:
        self.looks += 1


@pytest.fixture
def usage(stack: Stack) -> Usage:
    return Usage(replace(stack.settings, cache_timeout_seconds=60.0))


def test_as_many_come_in_as_are_allowed_however_many_ask_at_once(usage: Usage) -> None:
    door = Door(usage, images_a_day=10)

    with ThreadPoolExecutor(16) as clients:
        came_in = sum(clients.map(lambda _: door.sends(), range(64)))

    assert came_in == 10
    assert door.used()["images_a_day"] == 10


def test_a_refusal_says_what_was_found_allowed_and_when_to_come_again(usage: Usage) -> None:
    door = Door(usage, images_a_day=2, bytes_a_day=5000)
    door.sends(2)

    refusal = door.refusal()

    left = int(DAY - NOON % DAY)
    assert (refusal.status, refusal.code) == (429, "over-quota")
    assert (refusal.found, refusal.allowed, refusal.retry_after_seconds) == (3, 2, left)
    assert str(refusal) == ("3 images were accepted today, this one included; the quota is 2 a day")
    assert refusal.headers == {
        "RateLimit-Policy": '"images-a-day";q=2;w=86400, "bytes-a-day";q=5000;w=86400',
        "RateLimit": f'"images-a-day";r=0;t={left}, "bytes-a-day";r=3000;t={left}',
    }


def test_the_next_day_there_is_room_again(usage: Usage) -> None:
    door = Door(usage, images_a_day=2)
    door.sends(3)

    door.now += DAY

    assert door.sends(3) == 2


def test_bytes_are_counted_and_an_image_that_fits_comes_in(usage: Usage) -> None:
    door = Door(usage, bytes_a_day=2 * SIZE + 500)

    assert door.sends(4) == 2
    assert door.refusal().found == 3 * SIZE
    assert door.sends(size=500) == 1


def test_what_comes_to_nothing_is_given_back(usage: Usage) -> None:
    door = Door(usage, images_a_day=1, images_in_flight=1, stored_images=1)

    door.fails()

    assert door.sends(2) == 1


def test_in_flight_is_what_the_consumer_has_notfinished(usage: Usage) -> None:
    door = Door(usage, images_in_flight=3)
    assert door.sends(5) == 3
    door.gate.tell()
    assert door.refusal().retry_after_seconds == 5

    door.finished(2)

    assert door.used()["images_in_flight"] == 1
    assert door.sends(5) == 2
    assert door.looks > 0


def test_what_is_in_flight_is_forgotten_some_day_whatever_becomes_of_it(
    stack: Stack, usage: Usage
) -> None:
    door = Door(usage, images_in_flight=3)
    door.sends()
    door.gate.tell()

    with redis_of(stack) as redis:
        assert redis.ttl(f"quota:{{{door.tenant}}}:flight") > 0


def test_of_many_tenants_those_are_looked_for_that_have_something_in_flight(usage: Usage) -> None:
    doors = [Door(usage, images_in_flight=3) for _ in range(50)]
    for number, door in enumerate(doors):
        door.offset = number
        door.sends()
        door.gate.tell()
    tenants = [door.tenant for door in doors]
    first = finished(Reading(0, 0, {(LANE.name, 2): 30}))

    assert usage.finish(tenants, first) == set(tenants[30:])
    assert all(door.used()["images_in_flight"] for door in doors[30:])


def test_at_a_full_store_the_same_image_comes_in_and_no_other(usage: Usage) -> None:
    door = Door(usage, stored_images=2)
    door.sends()
    door.now += 1
    door.gate.tell()
    door.sends()

    assert door.refusal().found == 3
    with door.gate.one(door.tenant, SIZE, lambda: True) as taken:
        taken.place = (LANE, Written(2, door.offset))

    assert (door.used()["stored_images"], door.used()["stored_bytes"]) == (2, 2 * SIZE)
    assert door.refusal().found == 3


def test_what_was_begun_and_never_ended_is_forgotten(usage: Usage) -> None:
    door = Door(usage, images_in_flight=1)
    other = QuotaGate(door.store, usage, Quota(), clock=lambda: door.now)
    other.read()
    taken = other.one(door.tenant, SIZE)
    taken.__enter__()  # and is killed
    assert door.sends() == 0

    door.now += 121

    assert door.sends() == 1


def test_what_is_stored_already_is_counted_first(usage: Usage) -> None:
    door = Door(usage)
    door.sends(3)
    door.set(stored_images=5)

    assert door.sends() == 1  # while nobody knows
    door.now += 1
    door.gate.tell()

    assert door.sends(5) == 1
    assert (door.used()["stored_images"], door.used()["stored_bytes"]) == (5, 5 * SIZE)
    assert door.refusal().retry_after_seconds == 3600


def test_the_same_image_again_is_stored_once(usage: Usage) -> None:
    door = Door(usage, stored_images=2)
    door.sends()
    door.now += 1
    door.gate.tell()

    for _ in range(3):
        assert door.sends(is_new=False) == 1
        door.gate.tell()

    assert door.used()["stored_images"] == 1


def test_a_quota_that_is_raised_holds_when_it_is_read(usage: Usage) -> None:
    door = Door(usage, images_a_day=1)
    assert door.sends(3) == 1

    door.set(images_a_day=2)

    assert door.sends(3) == 1


def test_a_document_that_cannot_be_read_changes_nothing(usage: Usage) -> None:
    door = Door(usage, images_a_day=1)

    door.store.put(TENANT_BUCKET, KEY, b'{"t": {"images_a_day": -1}}', "application/json")
    door.gate.read()

    assert door.sends(3) == 1


def test_without_redis_everything_comes_in(stack: Stack) -> None:
    with unanswered() as address:
        settings = replace(
            stack.settings, redis_url=f"redis://{address}/0", cache_timeout_seconds=0.1
        )
        door = Door(Usage(settings), images_a_day=1)

        assert door.sends(5) == 5
        door.gate.tell()


def test_another_tenant_has_its_own(usage: Usage) -> None:
    door, other = Door(usage, images_a_day=1), Door(usage, images_a_day=1)
    door.sends(2)

    assert other.sends(2) == 1
