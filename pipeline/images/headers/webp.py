"""WebP: its RIFF chunks, and the length it declares."""

from __future__ import annotations

import struct

from pipeline.images.formats import WEBP, Header, broken, cut_off, too_costly
from pipeline.images.headers import tiff

# Each frame of an animation is one.
MAX_CHUNKS = 16_384

_FIRST_CHUNK = 12
# Measured, for each pixel.
_PIXEL_SECONDS = 30e-9
# Lossless pixels, and alpha, bring a table for each 4 × 4 pixels, of 12 KB in memory: as much as
# 40 megapixels take otherwise, in half a megapixel.
_LOSSLESS_PIXEL_SECONDS = 1e-6
_CHUNK_SECONDS = 1e-6
_LOSSLESS = b"VP8L"
# A frame of an animation may hold either of the others.
_WITH_TABLES = (_LOSSLESS, b"ALPH", b"ANMF")


def read(data: bytes) -> Header:
    """Read a WebP's size and go over its chunks."""
    (declared,) = struct.unpack_from("<I", data, 4)
    if declared + 8 > len(data):
        raise cut_off(WEBP, f"{declared + 8} bytes its header declares; there are {len(data)}")
    width, height = _size(data)
    pixel, seconds = _weigh(data, declared + 8)
    return Header(width, height, width * height * pixel + seconds)


def _size(data: bytes) -> tuple[int, int]:
    chunk = data[12:16]
    if chunk == b"VP8X":
        return _u24(data, 24) + 1, _u24(data, 27) + 1
    if chunk == _LOSSLESS:
        (bits,) = struct.unpack_from("<I", data, 21)
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if chunk == b"VP8 ":
        width, height = struct.unpack_from("<HH", data, 26)
        return width & 0x3FFF, height & 0x3FFF
    raise broken(WEBP, "it has no VP8, VP8L or VP8X chunk")


def _weigh(data: bytes, end: int) -> tuple[float, float]:
    """Tell how long decoding takes: for each pixel, and beside it."""
    position, chunks, pixel, seconds = _FIRST_CHUNK, 0, _PIXEL_SECONDS, 0.0
    while position + 8 <= end:
        chunks += 1
        if chunks > MAX_CHUNKS:
            raise too_costly(WEBP, "chunks", chunks, MAX_CHUNKS)
        name, size = struct.unpack_from("<4sI", data, position)
        if name in _WITH_TABLES:
            pixel = _LOSSLESS_PIXEL_SECONDS
        elif name == b"EXIF":
            seconds += tiff.seconds(data[position + 8 : position + 8 + size])
        position += 8 + size + size % 2
    return pixel, seconds + chunks * _CHUNK_SECONDS


def _u24(data: bytes, offset: int) -> int:
    return int.from_bytes(struct.unpack_from("3s", data, offset)[0], "little")
