"""A tenant has a share of image-uploads, and a lane of its own for all that is beyond."""

from __future__ import annotations

import pytest

from lanes import Lanes
from pipeline.kafka import topics
from pipeline.kafka.backlog import Reading
from pipeline.kafka.publisher import Written

SHARE, AWAITED = 3, 5
UPLOADS = topics.UPLOADS.name


class Door:
    """Uploads whose events lie in one partition of each topic, and what is committed of them."""

    def __init__(self) -> None:
        self.lanes = Lanes(SHARE, AWAITED)
        self.looks = 0
        self.lanes.look_soon = self._look
        self.ends: dict[str, int] = {}

    def upload(self, tenant: str = "one", *, is_awaited: bool = False, lands: bool = True) -> str:
        """The topic that an event goes to."""
        with self.lanes.one(tenant, is_awaited=is_awaited) as lane:
            name = lane.topic.name
            if lands:
                lane.written = Written(0, self.ends.get(name, 0))
                self.ends[name] = lane.written.offset + 1
        return name

    def read(self, **positions: int) -> None:
        """Everything is committed, but where less is named, as image_uploads or image_uploads_1."""
        named = {name.replace("_", "-"): number for name, number in positions.items()}
        places = {name: named.get(name, end) for name, end in self.ends.items()}
        self.lanes.note(
            Reading(
                0,
                0,
                {(name, 0): number for name, number in places.items()},
                {name: self.ends[name] - number for name, number in places.items()},
            )
        )

    def _look(self) -> None:
        self.looks += 1


@pytest.fixture
def door() -> Door:
    return Door()


def bulk(number: int) -> str:
    return topics.BULK[number].name


def usual(tenant: str) -> str:
    return topics.bulk_of(tenant).name


def tenants_of(lane: str) -> list[str]:
    """Two tenants whose usual lane is this one."""
    names = (f"tenant-{number}" for number in range(1000))
    return [name for name in names if usual(name) == lane][:2]


def test_beyond_its_share_a_tenant_is_in_its_own_lane(door: Door) -> None:
    assert [door.upload() for _ in range(5)] == [UPLOADS] * SHARE + [usual("one")] * 2


def test_another_tenant_has_its_own_share(door: Door) -> None:
    for _ in range(100):
        door.upload("one")

    assert door.upload("two") == UPLOADS


def test_what_is_finished_makes_room(door: Door) -> None:
    for _ in range(SHARE):
        door.upload()

    door.read(image_uploads=2)

    assert [door.upload() for _ in range(3)] == [UPLOADS] * 2 + [usual("one")]


def test_an_upload_that_somebody_waits_for_goes_before_its_tenants_bulk(door: Door) -> None:
    for _ in range(100):
        door.upload()

    awaited = [door.upload(is_awaited=True) for _ in range(AWAITED)]

    assert awaited == [UPLOADS] * (AWAITED - SHARE) + [usual("one")] * SHARE


def test_an_event_that_was_not_acknowledged_takes_no_room(door: Door) -> None:
    for _ in range(100):
        door.upload(lands=False)

    assert door.upload() == UPLOADS


def test_on_their_way_events_take_room(door: Door) -> None:
    for _ in range(SHARE - 1):
        door.upload()

    with door.lanes.one("one", is_awaited=False) as on_its_way:
        assert on_its_way.topic.name == UPLOADS
        assert door.upload() == usual("one")


def test_a_reading_is_asked_for_as_the_share_runs_out(door: Door) -> None:
    door.upload()
    assert door.looks == 0

    door.upload()

    assert door.looks == 1


def test_two_tenants_with_the_same_usual_lane_are_apart(door: Door) -> None:
    first, second = tenants_of(bulk(0))
    for _ in range(SHARE):
        door.upload(first)
        door.upload(second)

    assert door.upload(first) == bulk(0)
    assert door.upload(second) != bulk(0)


def test_a_lane_in_which_something_waits_is_left_to_whoever_it_is(door: Door) -> None:
    (tenant, _) = tenants_of(bulk(1))
    door.ends[bulk(1)] = 50
    door.read(image_uploads_bulk_2=10)
    for _ in range(SHARE):
        door.upload(tenant)

    assert door.upload(tenant) == bulk(0)


def test_a_tenant_keeps_to_its_lane_while_something_of_it_is_there(door: Door) -> None:
    (tenant, other) = tenants_of(bulk(2))
    for _ in range(SHARE + 1):
        door.upload(other)
    lane = [door.upload(tenant) for _ in range(SHARE + 1)][-1]

    door.read(**{lane.replace("-", "_"): 0, "image_uploads": 0})

    assert door.upload(tenant) == lane != bulk(2)


def test_when_all_is_done_nothing_is_remembered(door: Door) -> None:
    (tenant, other) = tenants_of(bulk(2))
    for name in (other, tenant):
        for _ in range(SHARE + 1):
            door.upload(name)

    door.read()

    assert door.lanes._tenants == {}
    assert [door.upload(tenant) for _ in range(SHARE + 1)][-1] == bulk(2)


def test_when_every_lane_has_somebody_the_usual_one_is_taken(door: Door) -> None:
    for lane in topics.BULK:
        for _ in range(SHARE + 1):
            door.upload(tenants_of(lane.name)[0])
    newcomer = tenants_of(bulk(3))[1]

    assert [door.upload(newcomer) for _ in range(SHARE + 1)][-1] == bulk(3)
