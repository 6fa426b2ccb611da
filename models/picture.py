"""Which shapes of a model's input are one picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pipeline.errors import ModelRefused
from pipeline.models.manifest import CHANNELS, Input

_CHANNELS = " or ".join(map(str, CHANNELS))
_EXPECTED = f"expected (1, height, width, channels), channels {_CHANNELS}"


def picture(shape: Sequence[int | None], size: Mapping[str, int] | None = None) -> Input:
    """Read the picture that a model takes out of its input's shape.

    Args:
        shape: with None where the model leaves a side open.
        size: height and width for sides left open, as model.yaml gives them.

    Raises:
        ModelRefused: it is no picture; says the shape and what is expected.
    """
    found = f"the model's input is {tuple(shape)}"
    if len(shape) != 4:
        raise ModelRefused(f"{found}; {_EXPECTED}")
    batch, height, width, channels = shape
    if channels not in CHANNELS:
        first = ", channels first" if height in CHANNELS else ""
        raise ModelRefused(f"{found}{first}; {_EXPECTED}, channels last")
    if batch not in (None, 1):
        raise ModelRefused(f"{found}, {batch} pictures at once; {_EXPECTED}")
    given = size or {}
    height, width = height or given.get("height"), width or given.get("width")
    if not height or not width:
        raise ModelRefused(
            f"{found}, its size open; {_EXPECTED}, or `input: {{height: …, width: …}}` in"
            " model.yaml for a model that is converted"
        )
    return Input(height, width, channels or 0)
