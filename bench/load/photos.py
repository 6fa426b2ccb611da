"""The images that are sent: one photo, made distinct by a nonce in a JPEG comment."""

from __future__ import annotations

import hashlib
import struct
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

from PIL import Image, ImageOps

FIXTURES = Path(__file__).resolve().parents[3] / "shared" / "fixtures"
REAL_MODEL = FIXTURES / "models" / "mobilenet_v2_float32"
INT8_MODEL = FIXTURES / "models" / "mobilenet_v2_int8"

_PHOTO = FIXTURES / "photos" / "cat_720p.jpg"
_SIZE = (500, 375)
# A file of about 100 KB, as photos of this size have.
_QUALITY = 98
_PHOTO_LABEL = "Egyptian cat"


@dataclass(frozen=True)
class Photo:
    """A JPEG and where it is from.

    Attributes:
        label: what a model trained on ImageNet must say of it, None for a generated picture.
    """

    data: bytes
    source: str
    label: str | None

    @classmethod
    def load(cls) -> Photo:
        """Take the fixtures' photo, or a generated picture on a machine without it."""
        if not _PHOTO.is_file():
            return cls(_encode(_generated()), "a generated picture", None)
        with Image.open(_PHOTO) as photo:
            resized = ImageOps.fit(photo.convert("RGB"), _SIZE)
        return cls(_encode(resized), _PHOTO.name, _PHOTO_LABEL)

    @property
    def description(self) -> str:
        """Which picture it is, to the byte."""
        digest = hashlib.sha256(self.data).hexdigest()[:12]
        width, height = _SIZE
        return f"{self.source}, {width}×{height}, {len(self.data):,} bytes, SHA-256 {digest}…"

    def numbered(self, series: str, number: int) -> bytes:
        """Make the same picture another file: distinct for each series and number."""
        return with_nonce(self.data, f"{series} {number}".encode())


def with_nonce(photo: bytes, nonce: bytes) -> bytes:
    """Insert a comment segment behind the JPEG's start marker."""
    return photo[:2] + b"\xff\xfe" + struct.pack(">H", len(nonce) + 2) + nonce + photo[2:]


def _encode(image: Image.Image) -> bytes:
    buffer = BytesIO()
    image.save(buffer, "JPEG", quality=_QUALITY)
    return buffer.getvalue()


def _generated() -> Image.Image:
    """A bright ring on a dark ground."""
    ring = Image.radial_gradient("L").point(lambda value: 255 if 80 < value < 120 else 40)
    return ImageOps.pad(ring, _SIZE, color=40).convert("RGB")
