"""No picture costs more than its budget, whatever it is made of."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import pytest

from pipeline.errors import InvalidImage
from pipeline.images import decoding
from tests.security import cost
from tests.security.bombs import BOMBS

# What the door can count, it refuses: nothing of these is stored.
COUNTED = (
    "jpeg, 4000 scans",
    "jpeg, 4000 refinements",
    "jpeg, 99 scans of 40 megapixels",
    "jpeg, sequential in 4000 scans",
    "jpeg, a comment hides the scans behind it",
    "jpeg, a marker without length hides scans",
    "jpeg, empty comments",
    "jpeg, empty application segments",
    "jpeg, fill bytes",
    "jpeg, comments between scans",
    "png, empty chunks of pixels",
    "png, empty chunks behind the pixels",
    "gif, one comment of short blocks",
    "gif, bytes between blocks",
    "webp, empty chunks",
    "webp, frames",
)


@pytest.fixture(scope="module")
def fresh_process() -> Iterator[ProcessPoolExecutor]:
    """A process without history: the kernel tells the highest memory of all children ever had."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
        yield process


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_is_refused_or_ended_within_its_budget(
    name: str, fresh_process: ProcessPoolExecutor
) -> None:
    spent = fresh_process.submit(cost.measure, BOMBS[name]()).result()

    assert spent.door_seconds < cost.MAX_DOOR_SECONDS, spent
    assert spent.seconds < cost.MAX_SECONDS, spent
    assert spent.bytes_here < cost.MAX_BYTES_HERE, spent
    assert spent.bytes_apart < cost.MAX_BYTES_APART, spent


@pytest.mark.parametrize("name", COUNTED)
def test_what_can_be_counted_is_refused_at_the_door(name: str) -> None:
    with pytest.raises(InvalidImage) as refused:
        decoding.inspect(BOMBS[name](), cost.LIMITS)

    assert (refused.value.status, refused.value.code) == (422, "too-costly")
    assert refused.value.found
    assert refused.value.allowed


def test_there_are_bombs_of_more_than_forty_kinds() -> None:
    assert len(BOMBS) > 40
