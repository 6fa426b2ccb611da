"""GIF, BMP and WebP files that cost a decoder much."""

from __future__ import annotations

import struct
from collections.abc import Callable
from io import BytesIO

from PIL import Image

from tests import pictures
from tests.security import exif_bombs, webp_tables
from tests.security.pixels import FULL, HUGE_SIDE

_RLE8, _RLE4 = 1, 2
_GIF_HEADER_BYTES = 13 + 3 * 256


def gif(before: bytes = b"", side: int = 64) -> bytes:
    """A grey GIF with blocks of ours before its frame."""
    data = pictures.encode(Image.new("P", (side, side), 7), "GIF")
    palette = 3 << (data[10] & 7) + 1 if data[10] & 0x80 else 0
    return data[: 13 + palette] + before + data[13 + palette :]


def _gif_of_short_blocks() -> bytes:
    header = struct.pack("<6sHHBBB", b"GIF89a", 64, 64, 0x80, 0, 0) + bytes(6)
    frame = b"," + struct.pack("<HHHHB", 0, 0, 64, 64, 0) + b"\2"
    return header + frame + b"\1\x44" * (FULL // 2) + b"\0;"


def _gif_frame_outside() -> bytes:
    data = bytearray(gif())
    frame = data.index(b",\0\0\0\0", 13)
    data[frame + 1 : frame + 9] = struct.pack("<HHHH", 60_000, 60_000, 5_000, 5_000)
    return bytes(data)


def bmp(compression: int, pixels: bytes, side: int = HUGE_SIDE) -> bytes:
    """A BMP by palette, its pixels written in runs."""
    bits = 4 if compression == _RLE4 else 8
    header = struct.pack("<IiiHHIIiiII", 40, side, side, 1, bits, compression, 0, 0, 0, 2, 0)
    palette = bytes(4) + b"\1\2\3\0"
    start = 14 + len(header) + len(palette)
    return struct.pack("<2sIII", b"BM", 0, 0, start) + header + palette + pixels


def riff(*chunks: bytes) -> bytes:
    """A WebP of these chunks."""
    body = b"WEBP" + b"".join(chunks)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def riff_chunk(name: bytes, body: bytes = b"") -> bytes:
    """One chunk of a WebP."""
    return name + struct.pack("<I", len(body)) + body + b"\0" * (len(body) % 2)


def _extended(flags: int, side: int) -> bytes:
    sides = (side - 1).to_bytes(3, "little") * 2
    return riff_chunk(b"VP8X", bytes([flags, 0, 0, 0]) + sides)


def _webp_pixels(side: int = 64, lossless: bool = False) -> bytes:
    buffer = BytesIO()
    Image.new("RGB", (side, side), "grey").save(buffer, "WEBP", lossless=lossless)
    return buffer.getvalue()[12:]


def _with_exif(exif: bytes) -> bytes:
    return riff(_extended(0x08, 64), _webp_pixels(), riff_chunk(b"EXIF", exif))


def _animation(frames: int, side: int) -> bytes:
    place = bytes(6) + (63).to_bytes(3, "little") * 2 + bytes(4)
    frame = riff_chunk(b"ANMF", place + _webp_pixels())
    return riff(_extended(0x02, side), riff_chunk(b"ANIM", bytes(6)), frame * frames)


BOMBS: dict[str, Callable[[], bytes]] = {
    "gif, empty comments": lambda: gif(b"!\xfe\0" * (FULL // 3)),
    "gif, one comment of short blocks": lambda: gif(b"!\xfe" + b"\1x" * (FULL // 2) + b"\0"),
    "gif, as much comment as is allowed": lambda: gif(
        (b"!\xfe" + (b"\xff" + b"x" * 255) * 16 + b"\0") * 900
    ),
    "gif, bytes between blocks": lambda: gif(b"\0" * FULL),
    "gif, extensions that end where they begin": lambda: gif(b"!\1\0\1x\0" * (FULL // 6)),
    "gif, loops": lambda: gif(b"!\xff\x0bNETSCAPE2.0\0\1x\0" * (FULL // 18)),
    "gif, a frame far outside": _gif_frame_outside,
    "gif, 40 megapixels": lambda: gif(side=HUGE_SIDE),
    "gif, pixels in blocks of one byte": _gif_of_short_blocks,
    "bmp, rows that end at once": lambda: bmp(_RLE8, b"\0\0" * (FULL // 2)),
    "bmp, one pixel in each row": lambda: bmp(_RLE8, b"\1\1\0\0" * HUGE_SIDE),
    "bmp, runs of nothing": lambda: bmp(_RLE8, b"\1\1" * (FULL // 2), side=1000),
    "bmp, runs of two colours": lambda: bmp(
        _RLE4, (b"\xff\x12" * (HUGE_SIDE // 255 + 1) + b"\0\0") * HUGE_SIDE
    ),
    "bmp, jumps": lambda: bmp(_RLE8, b"\0\2\xff\xff" * (FULL // 4)),
    "bmp, single pixels": lambda: bmp(_RLE8, (b"\0\3\1\2\3\0") * (FULL // 6)),
    "webp, empty chunks": lambda: riff(
        _extended(0, 64), _webp_pixels(), riff_chunk(b"none") * (FULL // 8)
    ),
    "webp, frames": lambda: _animation(200_000, 64),
    "webp, 16000 frames of 40 megapixels": lambda: _animation(16_000, HUGE_SIDE),
    "webp, 40 megapixels": lambda: riff(_webp_pixels(HUGE_SIDE)),
    "webp, 40 megapixels without loss": lambda: riff(_webp_pixels(HUGE_SIDE, lossless=True)),
    "webp, tables as many as are looked at where it is": lambda: riff(
        riff_chunk(b"VP8L", webp_tables.tables(700))
    ),
    "webp, tables as many as there may be": lambda: riff(
        riff_chunk(b"VP8L", webp_tables.tables(1024))
    ),
    "webp, EXIF whose tags share a value": lambda: _with_exif(
        exif_bombs.shared_values(FULL, tags=65_000)
    ),
    "webp, EXIF that begins again and again": lambda: _with_exif(exif_bombs.repeated_prefix(FULL)),
    "webp, EXIF of the large kind": lambda: _with_exif(exif_bombs.large_kind(2_000_000)),
}
