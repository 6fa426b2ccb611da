"""Which input shapes are one picture, and what is said of the others."""

from __future__ import annotations

import pytest

from models.picture import picture
from pipeline.errors import ModelRefused
from pipeline.models.manifest import Input


def test_open_batch_and_open_sides_are_filled_in() -> None:
    assert picture((None, 96, 80, 3)) == Input(96, 80, 3)
    assert picture((1, None, None, 1), {"height": 28, "width": 32}) == Input(28, 32, 1)


def test_the_models_own_size_counts_more_than_the_given_one() -> None:
    assert picture((None, 96, 80, 3), {"height": 5}) == Input(96, 80, 3)


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((None, 3, 96, 96), r"is \(None, 3, 96, 96\), channels first; expected \(1, height, width"),
        ((None, 96, 96, 4), r"is \(None, 96, 96, 4\); expected .* channels 1 or 3"),
        ((None, 96, 96, None), "expected .* channels 1 or 3"),
        ((None, 784), r"is \(None, 784\); expected \(1, height, width, channels\)"),
        ((8, 96, 96, 3), "8 pictures at once; expected"),
        ((None, None, None, 3), "its size open; expected .*`input: {height"),
    ],
)
def test_other_shapes_are_refused_by_name(shape: tuple[int | None, ...], message: str) -> None:
    with pytest.raises(ModelRefused, match=message):
        picture(shape)
