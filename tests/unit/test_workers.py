"""What becomes of a batch whose partition is taken away while it is being worked on."""

from __future__ import annotations

from typing import Any, cast

import pytest

from deliveries import Delivery, Pending, read
from pipeline.events import Origin
from tests.chaos.puppet import Bench
from tests.samples import uploaded
from workers import Workers

PLACE = ("image-uploads", 0)


class Unfinished:
    """A processor that can finish nothing, as when MinIO does not answer."""

    def process(self, batch: list[Delivery]) -> list[Delivery]:
        return batch


@pytest.fixture
def pending() -> Pending:
    waiting = Pending()
    waiting.add(read(uploaded().encode(), Origin(*PLACE, 0), redelivered=False))
    return waiting


def worked_off(pending: Pending, taken_away: bool) -> list[Delivery]:
    bench = Bench()
    workers = Workers(cast(Any, Unfinished()), pending, 1, 4, cast(Any, bench))
    workers.start(lambda batch, alone: None, alone=False)
    if taken_away:
        workers.drop({PLACE})
    bench.batches[0].finish()
    return list(workers.finished())


def test_what_could_not_be_finished_waits_for_another_try(pending: Pending) -> None:
    assert worked_off(pending, taken_away=False) == []

    assert len(pending.take(4, now=float("inf"))) == 1


def test_what_was_taken_away_meanwhile_is_not_taken_up_again(pending: Pending) -> None:
    assert worked_off(pending, taken_away=True) == []

    assert pending.take(4, now=float("inf")) == []
