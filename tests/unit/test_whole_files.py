"""Whether a file is all there is told before its pixels become a result."""

from __future__ import annotations

import re
import struct
from io import BytesIO
from typing import Any

import pytest
from PIL import Image

from pipeline.errors import InvalidImage
from pipeline.images import decoding
from pipeline.settings import Settings
from tests import pictures
from tests.security import png_bombs

LIMITS = decoding.Limits.from_settings(Settings())
PHOTO = pictures.gradient(640, 480)


def _cut_and_closed(data: bytes, part: float) -> bytes:
    return data[: int(len(data) * part)] + b"\xff\xd9"


@pytest.mark.parametrize("part", [0.3, 0.6, 0.9, 0.97])
@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
def test_a_jpeg_cut_off_and_closed_again_is_not_decoded(mode: str, part: float) -> None:
    data = pictures.encode(PHOTO.convert(mode), "JPEG", quality=95)

    with pytest.raises(InvalidImage, match="lacks the last rows") as refused:
        decoding.decode(_cut_and_closed(data, part), LIMITS)

    assert refused.value.code == "truncated-image"


@pytest.mark.parametrize("min_short_side", [None, 60, 240])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"quality": 20},
        {"subsampling": 0},
        {"progressive": True},
        {"restart_marker_blocks": 3},
        {"optimize": True},
    ],
)
def test_a_whole_jpeg_is_decoded_as_it_always_was(
    options: dict[str, Any], min_short_side: int | None
) -> None:
    data = pictures.encode(PHOTO.resize((333, 257)), "JPEG", **options) + b"trailing bytes"
    with Image.open(BytesIO(data)) as plain:
        if min_short_side:
            plain.draft(None, (min_short_side, min_short_side))
        expected = plain.tobytes()

    assert decoding.decode(data, LIMITS, min_short_side).tobytes() == expected


@pytest.mark.parametrize("size", [(16, 16), (17, 33), (1000, 16), (16, 1000)])
@pytest.mark.parametrize("color", ["black", "white", (41, 41, 41)])
def test_a_jpeg_of_one_colour_is_whole(size: tuple[int, int], color: Any) -> None:
    data = pictures.encode(Image.new("RGB", size, color), "JPEG")

    assert decoding.decode(data, LIMITS).size == size


def test_a_picture_of_several_pictures_is_whole() -> None:
    data = pictures.encode(PHOTO, "MPO", save_all=True, append_images=[PHOTO.rotate(180)])

    assert decoding.decode(data, LIMITS).size == PHOTO.size


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
        decoding.inspect(bytes(data), LIMITS)

    assert refused.value.status == 422


def test_a_png_whose_end_lies_inside_another_chunk_is_cut_off() -> None:
    data = pictures.encode(PHOTO, "PNG")
    end = data[-12:]

    with pytest.raises(InvalidImage, match="cut off"):
        decoding.inspect(data[: len(data) // 2] + end, LIMITS)


def test_a_palette_png_without_its_palette_is_refused_at_the_door() -> None:
    data = pictures.encode(PHOTO.quantize(16), "PNG")
    start = _at_chunk(data, b"PLTE")
    (length,) = struct.unpack_from(">I", data, start)
    data = data[:start] + data[start + 12 + length :]

    with pytest.raises(InvalidImage, match="no PLTE chunk"):
        decoding.inspect(data, LIMITS)


def test_a_gif_frame_beyond_the_screen_counts_at_the_door() -> None:
    data = bytearray(pictures.encode(pictures.gradient().convert("P"), "GIF"))
    frame = data.index(b",\0\0\0\0")
    data[frame + 1 : frame + 9] = b"\xff\xff\xff\xff\xff\xff\xff\xff"

    with pytest.raises(InvalidImage, match=re.escape("131070 × 131070")):
        decoding.inspect(bytes(data), LIMITS)
