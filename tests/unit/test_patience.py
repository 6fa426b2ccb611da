"""An outage is waited for; one image that is never answered for is not, while others are."""

from __future__ import annotations

from dataclasses import replace

import pytest

from deliveries import Delivery
from patience import TURNS
from pipeline.events.cloudevents import ImageUploaded, Origin, decode_uploaded
from pipeline.kafka import topics
from tests.processing import Bench, deliver
from tests.samples import uploaded

NOT_NOW = {"status": "unavailable", "error": {"detail": "MinIO answered 500"}}


@pytest.fixture
def bench() -> Bench:
    return Bench()


def waiting(bench: Bench, **changes: object) -> list[Delivery]:
    event = uploaded("in the way", **changes)
    bench.classifier.script[event.image_id] = NOT_NOW
    return deliver(event)


def turn(bench: Bench, batch: list[Delivery], *others: ImageUploaded) -> list[Delivery]:
    """Work on them once more, beside these, which lie behind them."""
    behind = Origin("image-uploads", 0, 1)
    beside = [replace(each, origin=behind) for each in deliver(*others)]
    return bench.processor.process([*batch, *beside])


def test_an_outage_costs_no_attempt_however_long_it_is(bench: Bench) -> None:
    batch = waiting(bench)

    for _ in range(10 * TURNS):
        assert turn(bench, batch) == batch

    assert bench.broker.sent == []


def test_results_that_are_found_again_prove_nothing_of_a_store(bench: Bench) -> None:
    batch = waiting(bench)

    for number in range(2 * TURNS):
        known = uploaded(str(number), duplicate=True)
        assert turn(bench, batch, known) == batch


def test_an_image_in_vain_while_others_complete_costs_an_attempt_at_last(bench: Bench) -> None:
    batch = waiting(bench)

    turns = 0
    while turn(bench, batch, uploaded(str(turns))):
        turns += 1
        assert turns <= TURNS + 1

    (again,) = bench.broker.values(topics.RETRY.name)
    assert turns >= TURNS
    assert decode_uploaded(again).attempt == 2


def test_it_ends_in_a_dead_letter(bench: Bench) -> None:
    batch = waiting(bench, attempt=3)

    for number in range(TURNS + 2):
        turn(bench, batch, uploaded(str(number)))

    failure = bench.failure(uploaded("in the way"))
    assert failure["error"]["code"] == "unavailable"
    assert "MinIO answered 500" in failure["error"]["detail"]
