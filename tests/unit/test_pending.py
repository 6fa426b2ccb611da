"""Urgent images first, every tenant in turn, and nobody waits for ever."""

from __future__ import annotations

from dataclasses import replace

import pytest

from deliveries import Delivery, read
from pending import Pending
from pipeline.events.cloudevents import Origin
from pipeline.kafka import topics
from tests.samples import uploaded

URGENT, BULK = topics.UPLOADS.name, topics.BULK[0].name


def delivery(topic: str, tenant: str, offset: int) -> Delivery:
    event = uploaded(f"{topic} {tenant} {offset}", tenant_id=tenant)
    return read(event.encode(), Origin(topic, 0, offset), redelivered=False)


@pytest.fixture
def pending() -> Pending:
    return Pending()


def add(pending: Pending, topic: str, tenant: str, count: int) -> None:
    for offset in range(count):
        pending.add(delivery(topic, tenant, offset))


def tenants(batch: list[Delivery]) -> str:
    return "".join(each.tenant for each in batch)


def taken(pending: Pending, batches: int, most: int = 4) -> list[str]:
    """The topics of the next batches."""
    found = []
    for _ in range(batches):
        for is_urgent in pending.kinds():
            if batch := pending.take(most, float("inf"), is_urgent=is_urgent):
                found.append(batch[0].origin.topic)
                break
    return found


def test_tenants_take_turns_and_each_keeps_its_order(pending: Pending) -> None:
    add(pending, BULK, "a", 100)
    add(pending, BULK, "b", 3)

    batch = pending.take(8, float("inf"), is_urgent=False)

    assert tenants(batch) == "abababaa"
    assert [each.origin.offset for each in batch if each.tenant == "a"] == [0, 1, 2, 3, 4]


def test_the_next_batch_goes_on_where_the_last_one_ended(pending: Pending) -> None:
    for tenant in "abc":
        add(pending, BULK, tenant, 5)

    batches = [pending.take(2, float("inf"), is_urgent=False) for _ in range(3)]

    assert [tenants(batch) for batch in batches] == ["ab", "ca", "bc"]


def test_one_that_waits_for_its_time_holds_back_none_of_its_tenant(pending: Pending) -> None:
    pending.add(delivery(BULK, "a", 0).later(10.0))
    add(pending, BULK, "a", 2)

    batch = pending.take(4, 5.0, is_urgent=False)

    assert [each.origin.offset for each in batch] == [0, 1]
    assert len(pending) == pending.count(is_urgent=False) == 1


def test_a_batch_is_of_one_kind(pending: Pending) -> None:
    add(pending, BULK, "a", 2)
    add(pending, URGENT, "b", 2)

    assert tenants(pending.take(9, float("inf"), is_urgent=True)) == "bb"
    assert tenants(pending.take(9, float("inf"), is_urgent=False)) == "aa"


def test_urgent_images_go_first_and_the_others_are_not_forgotten(pending: Pending) -> None:
    add(pending, BULK, "a", 100)
    add(pending, URGENT, "b", 100)

    assert taken(pending, 8) == [URGENT, URGENT, URGENT, BULK] * 2


def test_without_urgent_ones_the_others_have_every_turn(pending: Pending) -> None:
    add(pending, BULK, "a", 100)

    assert taken(pending, 5) == [BULK] * 5


def test_one_by_one_the_others_are_not_forgotten_either(pending: Pending) -> None:
    add(pending, BULK, "a", 10)
    add(pending, URGENT, "b", 10)

    one_by_one = [pending.take_alone(float("inf"))[0].origin.topic for _ in range(8)]

    assert one_by_one == [URGENT, URGENT, URGENT, BULK] * 2


def test_one_by_one_tenants_take_turns_too(pending: Pending) -> None:
    add(pending, BULK, "a", 4)
    add(pending, BULK, "b", 2)

    one_by_one = [pending.take_alone(float("inf")) for _ in range(6)]

    assert "".join(map(tenants, one_by_one)) == "ababaa"
    assert [each.origin.offset for (each,) in one_by_one if each.tenant == "a"] == [0, 1, 2, 3]


def test_what_is_lost_costs_a_tenant_no_turn(pending: Pending) -> None:
    for tenant in "ab":
        add(pending, BULK, tenant, 2)
    pending.add(replace(delivery(BULK, "a", 9), origin=Origin(BULK, 1, 9)))

    pending.drop({(BULK, 1)})

    assert tenants(pending.take(4, float("inf"), is_urgent=False)) == "abab"


def test_what_is_of_a_lost_partition_is_dropped_from_every_queue(pending: Pending) -> None:
    add(pending, BULK, "a", 2)
    add(pending, URGENT, "b", 2)

    pending.drop({(BULK, 0)})

    assert (pending.count(is_urgent=False), pending.count(is_urgent=True)) == (0, 2)
