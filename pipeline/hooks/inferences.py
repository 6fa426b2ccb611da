"""Which inferences were begun: a line each in a file that survives any kill; off unless told.

For tests: logs go through pipes and end with their reader, counters end with their process. A line
is one write to a file opened for appending, so that neither a kill nor another replica tears it.
It is written before the model sees the image: what a kill interrupts is counted too.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TypeVar

Image = TypeVar("Image")
Picture = TypeVar("Picture")

_file: int | None = None


def configure(path: str) -> None:
    """Note inferences in this file; an empty name switches it off."""
    global _file
    _file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644) if path else None


def noted(
    images: Mapping[Image, Picture], names: Callable[[Image], tuple[str, str, str]]
) -> Iterable[tuple[Image, Picture]]:
    """Give images to the model one by one, each noted when its turn comes.

    Args:
        names: tells tenant, image id and model id.
    """
    return images.items() if _file is None else _noted(images, names)


def _noted(
    images: Mapping[Image, Picture], names: Callable[[Image], tuple[str, str, str]]
) -> Iterator[tuple[Image, Picture]]:
    for image, picture in images.items():
        note(*names(image))
        yield image, picture


def note(tenant: str, image: str, model: str) -> None:
    """Write that this image will now be looked at under this model."""
    if _file is not None:
        os.write(_file, f"{time.time():.6f} {os.getpid()} {tenant} {image} {model}\n".encode())
