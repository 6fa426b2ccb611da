"""A thousand pictures of a few photos: crops at places that are the same in every run."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from bench.checks import BenchFailed
from bench.load.photos import FIXTURES

PHOTOS = FIXTURES / "photos"

_SEED = 3
# Of the photo's short side: small ones, too, so that a thousand of four photos differ.
LEAST = 0.35


def crops(count: int, least: float = LEAST) -> Iterator[Image.Image]:
    """Cut squares out of the photos in turn, upright, RGB.

    Args:
        least: of the photo's short side, from which up to all of it a square may have.

    Raises:
        BenchFailed: there are no photos on this machine.
    """
    paths = sorted(each for each in PHOTOS.glob("*.*") if each.suffix in (".jpg", ".bmp"))
    if not paths:
        raise BenchFailed("the fixture photos are not on this machine")
    photos = [Image.open(path).convert("RGB") for path in paths]
    chance = random.Random(_SEED)
    for number in range(count):
        yield _crop(photos[number % len(photos)], chance, least)


def write_pictures(path: Path, count: int, side: int, least: float = LEAST) -> None:
    """Write the crops as the model's input: uint8 (count, side, side, 3), a .npy file."""
    pictures: NDArray[np.uint8] = np.stack(
        [np.asarray(each) for each in _small(count, side, least)]
    )
    np.save(path, pictures)


def _small(count: int, side: int, least: float) -> Iterator[Image.Image]:
    for crop in crops(count, least):
        yield crop.resize((side, side), Image.Resampling.BILINEAR)


def _crop(photo: Image.Image, chance: random.Random, least: float) -> Image.Image:
    side = round(min(photo.size) * chance.uniform(least, 1.0))
    left, top = (chance.randint(0, length - side) for length in photo.size)
    return photo.crop((left, top, left + side, top + side))
