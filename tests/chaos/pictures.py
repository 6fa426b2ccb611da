"""What is sent: small pictures of several labels, and poison; each made distinct by a nonce."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from models import shapes
from tests.chaos.ledger import GOOD, POISON
from tests.pictures import damaged_inside, encode, with_nonce

_SIZE = (96, 72)
_PHOTO_SIZE = (300, 225)
_SEED = 20


@dataclass(frozen=True)
class Source:
    """A picture that many files are made of."""

    name: str
    data: bytes
    kind: str = GOOD

    @property
    def is_good(self) -> bool:
        """Whether it can be decoded."""
        return self.kind == GOOD

    def numbered(self, series: str, number: int) -> bytes:
        """Make the same picture another file: distinct for each series and number."""
        nonce = f"{series} {number}".encode()
        return with_nonce(self.data, nonce) if self.is_good else damaged_inside(nonce)


def drawn() -> list[Source]:
    """One picture of every shape the demonstration model knows."""
    rng = np.random.default_rng(_SEED)
    return [
        Source(label, encode(shapes.draw(rng, label, *_SIZE, max_noise=0), "JPEG", quality=90))
        for label in shapes.LABELS
    ]


def photos(folder: Path) -> list[Source]:
    """The photos of a folder, reduced."""
    made = []
    for path in sorted(folder.iterdir()):
        with Image.open(path) as photo:
            reduced = ImageOps.fit(photo.convert("RGB"), _PHOTO_SIZE)
        made.append(Source(path.name, encode(reduced, "JPEG", quality=90)))
    return made


def poison() -> Source:
    """A file that is accepted and cannot be decoded."""
    return Source("poison", damaged_inside(), POISON)
