"""Pictures of ten shapes, drawn from a seed: what the demonstration model learns."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

Point = tuple[float, float]
Colour = NDArray[np.float64]

LABELS = (
    "arrow",
    "circle",
    "crescent",
    "cross",
    "heart",
    "hexagon",
    "ring",
    "square",
    "star",
    "triangle",
)

# Half of the central 0.875 of the short side, less a margin: the standard crop cuts no shape.
_REACH = 0.42
_RADIUS = (0.24, 0.38)  # of the short side
_MIN_CONTRAST = 100.0  # distance of two RGB colours
_MAX_NOISE = 14.0  # standard deviation, grey levels
_SMOOTHING = 2  # drawn this many times larger, then reduced


def draw(
    rng: np.random.Generator,
    label: str,
    width: int,
    height: int,
    max_noise: float = _MAX_NOISE,
) -> Image.Image:
    """Draw one RGB picture of a shape in random colours, size, place and rotation."""
    background = _background(rng, width, height)
    ink = _contrasting(rng, background.mean(axis=(0, 1)))
    mask = np.asarray(_mask(rng, label, width, height), np.float64)[:, :, np.newaxis] / 255
    pixels = background * (1 - mask) + ink * mask
    pixels += rng.normal(0, max(0.0, rng.uniform(-0.5, 1)) * max_noise, pixels.shape)
    return Image.fromarray(np.clip(np.rint(pixels), 0, 255).astype(np.uint8))


def pictures(seed: int, count: int, width: int, height: int) -> Iterator[tuple[Image.Image, int]]:
    """Draw `count` pictures, the labels taking turns; yields picture and class index."""
    rng = np.random.default_rng(seed)
    for number in range(count):
        index = number % len(LABELS)
        yield draw(rng, LABELS[index], width, height), index


def _mask(rng: np.random.Generator, label: str, width: int, height: int) -> Image.Image:
    short_side = min(width, height)
    radius = rng.uniform(*_RADIUS)
    slack = _REACH - radius
    centre_x = width / 2 + rng.uniform(-slack, slack) * short_side
    centre_y = height / 2 + rng.uniform(-slack, slack) * short_side
    angle = rng.uniform(0, 2 * math.pi)

    def place(outline: list[Point]) -> list[Point]:
        """Rotate, scale and move an outline of the unit circle into the picture."""
        cos, sin, scale = math.cos(angle), math.sin(angle), radius * short_side
        return [
            (
                _SMOOTHING * (centre_x + scale * (x * cos - y * sin)),
                _SMOOTHING * (centre_y + scale * (x * sin + y * cos)),
            )
            for x, y in outline
        ]

    mask = Image.new("L", (width * _SMOOTHING, height * _SMOOTHING))
    pen = ImageDraw.Draw(mask)
    pen.polygon(place(_OUTLINES[label]), fill=255)
    if label in _HOLES:
        pen.polygon(place(_HOLES[label]), fill=0)
    return mask.reduce(_SMOOTHING)


def _background(rng: np.random.Generator, width: int, height: int) -> Colour:
    """Blend two colours: float64 (height, width, 3), plain, a gradient, stripes or soft spots."""
    first, second = rng.uniform(0, 255, (2, 3))
    second = first + (second - first) * rng.uniform(0, 0.5)
    y, x = np.mgrid[0:height, 0:width] / min(width, height)
    angle, waves = rng.uniform(0, 2 * math.pi), rng.uniform(2, 9)
    ramp = x * math.cos(angle) + y * math.sin(angle)
    kinds = (
        np.zeros_like(ramp),
        (ramp - ramp.min()) / np.ptp(ramp),
        0.5 + 0.5 * np.sin(ramp * waves * 2 * math.pi),
        0.5 + 0.5 * np.sin(x * waves) * np.cos(y * waves + angle),
    )
    blend = kinds[rng.integers(len(kinds))][:, :, np.newaxis]
    return np.asarray(first * (1 - blend) + second * blend)


def _contrasting(rng: np.random.Generator, background: Colour) -> Colour:
    while True:
        colour = rng.uniform(0, 255, 3)
        if np.linalg.norm(colour - background) >= _MIN_CONTRAST:
            return colour


def _regular(corners: int, radius: float = 1.0, x: float = 0.0) -> list[Point]:
    turns = (2 * math.pi * corner / corners for corner in range(corners))
    return [(x + radius * math.cos(turn), radius * math.sin(turn)) for turn in turns]


def _star() -> list[Point]:
    turns = (math.pi * corner / 5 for corner in range(10))
    radii = (1.0, 0.42) * 5
    return [(r * math.cos(turn), r * math.sin(turn)) for r, turn in zip(radii, turns, strict=True)]


def _heart() -> list[Point]:
    turns = (2 * math.pi * step / 80 for step in range(80))
    return [
        (
            math.sin(t) ** 3,
            -(13 * math.cos(t) - 5 * math.cos(2 * t) - 2 * math.cos(3 * t) - math.cos(4 * t)) / 17,
        )
        for t in turns
    ]


def _cross(arm: float = 0.3) -> list[Point]:
    quarter = [(arm, arm), (arm, 0.95), (-arm, 0.95)]
    corners: list[Point] = []
    for _ in range(4):
        corners += quarter
        quarter = [(-y, x) for x, y in quarter]
    return corners


def _arrow(shaft: float = 0.28) -> list[Point]:
    upper = [(1.0, 0.0), (0.1, 0.75), (0.1, shaft), (-1.0, shaft)]
    return upper + [(x, -y) for x, y in reversed(upper[1:])]


_OUTLINES: dict[str, list[Point]] = {
    "arrow": [
        (1, 0),
        (0.1, 0.75),
        (0.1, 0.28),
        (-1, 0.28),
        (-1, -0.28),
        (0.1, -0.28),
        (0.1, -0.75),
    ],
    "circle": _regular(72),
    "crescent": _regular(72),
    "cross": _cross(),
    "heart": _heart(),
    "hexagon": _regular(6),
    "ring": _regular(72),
    "square": _regular(4),
    "star": _star(),
    "triangle": _regular(3),
}
_HOLES: dict[str, list[Point]] = {
    "crescent": _regular(72, radius=0.85, x=0.5),
    "ring": _regular(72, radius=0.55),
}
