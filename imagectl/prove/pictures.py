"""The pictures that are sent: drawn here, no two alike, and some that cannot be decoded."""

from __future__ import annotations

import os
import random
import struct
import zlib
from collections.abc import Iterator
from io import BytesIO

from PIL import Image, ImageDraw
from PIL.PngImagePlugin import PngInfo

_SIDES = (64, 224)
_NOISE_SIGMA = 60
_PNG_HEAD = b"\x89PNG\r\n\x1a\n"


def drawn() -> Iterator[bytes]:
    """Draw shapes on noise without an end, in JPEG and PNG by turns; each file is new."""
    while True:
        yield _jpeg(_drawing())
        yield _png(_drawing())


def damaged() -> bytes:
    """A PNG whose header and end are whole, and whose pixels nobody can decode; each is new."""
    header = struct.pack(">IIBBBBB", 64, 64, 8, 2, 0, 0, 0)
    pixels = b"no deflated pixels: " + os.urandom(16).hex().encode()
    chunks = ((b"IHDR", header), (b"IDAT", pixels), (b"IEND", b""))
    return _PNG_HEAD + b"".join(_chunk(name, data) for name, data in chunks)


def refused_at_the_door() -> dict[str, bytes]:
    """Files of which the first and last bytes tell already that they are no picture to classify."""
    jpeg, png = _jpeg(_drawing()), _png(_drawing())
    return {
        "nothing": b"",
        "a text": b"this is no picture " + os.urandom(16).hex().encode(),
        "a JPEG cut off": jpeg[: len(jpeg) // 2],
        "a PNG cut off": png[:-12],
        "a picture of 8 × 8 pixels": _png(_drawing().resize((8, 8))),
    }


def _drawing() -> Image.Image:
    width, height = random.randint(*_SIDES), random.randint(*_SIDES)
    bands = [Image.effect_noise((width, height), _NOISE_SIGMA) for _ in range(3)]
    picture = Image.merge("RGB", bands)
    draw = ImageDraw.Draw(picture)
    for shape in (draw.ellipse, draw.rectangle):
        left, top = random.randint(0, width // 2), random.randint(0, height // 2)
        box = (left, top, left + width // 2, top + height // 2)
        shape(box, fill=(random.randrange(256), random.randrange(256), random.randrange(256)))
    return picture


def _jpeg(picture: Image.Image) -> bytes:
    buffer = BytesIO()
    picture.save(buffer, "JPEG", quality=85, comment=os.urandom(16).hex())
    return buffer.getvalue()


def _png(picture: Image.Image) -> bytes:
    nonce = PngInfo()
    nonce.add_text("Comment", os.urandom(16).hex())
    buffer = BytesIO()
    picture.save(buffer, "PNG", pnginfo=nonce)
    return buffer.getvalue()


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
