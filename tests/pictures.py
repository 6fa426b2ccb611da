"""Pictures made for tests, as files in any format, and ways to damage them."""

from __future__ import annotations

import os
import struct
import zlib
from io import BytesIO
from typing import Any

from PIL import Image

_RUN = os.urandom(8).hex()


def gradient(width: int = 96, height: int = 64) -> Image.Image:
    """An RGB picture whose corners differ, so that rotation shows."""
    red = Image.linear_gradient("L").resize((width, height))
    green = red.rotate(90).resize((width, height))
    blue = Image.radial_gradient("L").resize((width, height))
    return Image.merge("RGB", (red, green, blue))


def encode(image: Image.Image, kind: str, **options: Any) -> bytes:
    """Write a picture as a file of this kind."""
    buffer = BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def jpeg(width: int = 96, height: int = 64) -> bytes:
    """A small JPEG."""
    return encode(gradient(width, height), "JPEG", quality=90)


def png_claiming(width: int, height: int) -> bytes:
    """A PNG of a few bytes whose header claims any size."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(b"\0")), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(name, data) for name, data in chunks)


def damaged_inside(nonce: bytes = b"") -> bytes:
    """A PNG whose header and end are whole and whose pixels cannot be decoded."""
    header = struct.pack(">IIBBBBB", 64, 64, 8, 2, 0, 0, 0)
    pixels = b"these are no deflated pixels" + nonce
    chunks = ((b"IHDR", header), (b"IDAT", pixels), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(name, data) for name, data in chunks)


def with_nonce(photo: bytes, nonce: bytes) -> bytes:
    """The same picture as another file: a JPEG with a comment."""
    return photo[:2] + b"\xff\xfe" + struct.pack(">H", len(nonce) + 2) + nonce + photo[2:]


def fresh(name: str) -> bytes:
    """A JPEG that only this run of the tests sends: the system may have seen earlier ones."""
    return with_nonce(jpeg(), f"{_RUN} {name}".encode())


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
