"""Whether a file is all there is told before its pixels become a result."""

from __future__ import annotations

import re
import struct

import pytest

from pipeline import images
from pipeline.errors import InvalidImage
from pipeline.settings import Settings
from tests import pictures
from tests.security import png_bombs

LIMITS = images.Limits.from_settings(Settings())
PHOTO = pictures.gradient(640, 480)


def _at_chunk(data: bytes, name: bytes) -> int:
    return data.index(name) - 4


@pytest.mark.parametrize("name", [b"IHDR", b"IDAT", b"tEXt"])
def test_a_png_chunk_with_a_wrong_checksum_is_refused_at_the_door(name: bytes) -> None:
    data = bytearray(pictures.encode(PHOTO, "PNG"))
    data[33:33] = png_bombs.chunk(b"tEXt", b"key\0text")
    start = _at_chunk(bytes(data), name)
    (length,) = struct.unpack_from(">I", data, start)
    data[start + 8 + length] ^= 1

    with pytest.raises(InvalidImage, match=f"checksum of its chunk {name.decode()}") as refused:
        images.inspect(bytes(data), LIMITS)

    assert refused.value.status == 422


def test_a_png_whose_end_lies_inside_another_chunk_is_cut_off() -> None:
    data = pictures.encode(PHOTO, "PNG")
    end = data[-12:]

    with pytest.raises(InvalidImage, match="cut off"):
        images.inspect(data[: len(data) // 2] + end, LIMITS)


def test_a_palette_png_without_its_palette_is_refused_at_the_door() -> None:
    data = pictures.encode(PHOTO.quantize(16), "PNG")
    start = _at_chunk(data, b"PLTE")
    (length,) = struct.unpack_from(">I", data, start)
    data = data[:start] + data[start + 12 + length :]

    with pytest.raises(InvalidImage, match="no PLTE chunk"):
        images.inspect(data, LIMITS)


def test_a_gif_frame_beyond_the_screen_counts_at_the_door() -> None:
    data = bytearray(pictures.encode(pictures.gradient().convert("P"), "GIF"))
    frame = data.index(b",\0\0\0\0")
    data[frame + 1 : frame + 9] = b"\xff\xff\xff\xff\xff\xff\xff\xff"

    with pytest.raises(InvalidImage, match=re.escape("131070 × 131070")):
        images.inspect(bytes(data), LIMITS)
