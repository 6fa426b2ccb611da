"""PNGs of many chunks, or that inflate to far more than their size."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable

from tests.security import exif_bombs
from tests.security.pixels import FULL, HUGE_SIDE

_GREY, _RGB, _PALETTE, _RGBA = 0, 2, 3, 6
_SAMPLES = {_GREY: 1, _RGB: 3, _PALETTE: 1, _RGBA: 4}
_MEGABYTE = 1 << 20


def chunk(name: bytes, body: bytes = b"") -> bytes:
    """One chunk, its checksum right."""
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def png(before: bytes = b"", pixels: bytes | None = None, behind: bytes = b"") -> bytes:
    """A small picture with chunks of ours before and behind its pixels, or others for these."""
    if pixels is None:
        pixels = chunk(b"IDAT", zlib.compress((b"\0" + b"\x80" * 64) * 64))
    return _file(64, _GREY, 8, 0, before + pixels + behind)


def huge(colour: int, depth: int, interlaced: bool = False, tail_megabytes: int = 0) -> bytes:
    """A picture of as many pixels as are allowed, all 0, and zeros behind them."""
    row = b"\2" + bytes(HUGE_SIDE * _SAMPLES[colour] * depth // 8)
    deflate = zlib.compressobj(9)
    parts = [deflate.compress(row) for _ in range(HUGE_SIDE + (HUGE_SIDE if interlaced else 0))]
    parts += [deflate.compress(bytes(_MEGABYTE)) for _ in range(tail_megabytes)]
    pixels = b"".join(parts) + deflate.flush()
    return _file(HUGE_SIDE, colour, depth, interlaced, chunk(b"IDAT", pixels))


def _file(side: int, colour: int, depth: int, interlaced: int, chunks: bytes) -> bytes:
    header = struct.pack(">IIBBBBB", side, side, depth, colour, 0, 0, interlaced)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunks + chunk(b"IEND")


def _inflating(name: bytes, before: bytes) -> bytes:
    return chunk(name, before + zlib.compress(bytes(_MEGABYTE - 1), 9))


def _frames(count: int) -> bytes:
    control = struct.pack(">IIIIIHHBB", 0, 64, 64, 0, 0, 1, 1, 0, 0)
    return chunk(b"acTL", struct.pack(">II", count, 0)) + chunk(b"fcTL", control)


def _more_frames(count: int) -> bytes:
    # The sequence numbers are wrong: nobody is to come so far.
    control = chunk(b"fcTL", struct.pack(">IIIIIHHBB", 1, 64, 64, 0, 0, 1, 1, 0, 0))
    return (control + chunk(b"fdAT", b"\0\0\0\2")) * count


def _hidden_exif(name: bytes, between: bytes) -> bytes:
    tags = exif_bombs.shared_values(400_000, tags=30_000).hex().encode()
    text = b"\nexif\n  400000\n" + tags + b"\n"
    return chunk(name, b"Raw profile type exif" + between + zlib.compress(text, 9))


BOMBS: dict[str, Callable[[], bytes]] = {
    "png, empty chunks of pixels": lambda: png(pixels=chunk(b"IDAT") * (FULL // 12)),
    "png, empty chunks of no meaning": lambda: png(before=chunk(b"prVt") * (FULL // 12)),
    "png, empty chunks behind the pixels": lambda: png(behind=chunk(b"prVt") * (FULL // 12)),
    "png, as many chunks as are allowed": lambda: png(before=chunk(b"prVt", b"x" * 1000) * 16_000),
    "png, colour profiles": lambda: png(before=_inflating(b"iCCP", b"name\0\0") * 10_000),
    "png, compressed texts": lambda: png(before=_inflating(b"zTXt", b"key\0\0") * 10_000),
    "png, a hundred compressed texts": lambda: png(before=_inflating(b"zTXt", b"key\0\0") * 63),
    "png, compressed international texts": lambda: png(
        behind=_inflating(b"iTXt", b"key\0\1\0\0\0") * 10_000
    ),
    "png, one text that inflates to a gigabyte": lambda: png(
        before=chunk(b"zTXt", b"key\0\0" + zlib.compress(bytes(1 << 28), 9))
    ),
    "png, one long text": lambda: png(before=chunk(b"tEXt", b"key\0" + b"x" * FULL)),
    "png, pixels that go on behind the picture": lambda: huge(_RGBA, 8, tail_megabytes=4000),
    "png, 40 megapixels of 64 bits": lambda: huge(_RGBA, 16),
    "png, 40 megapixels of 64 bits, interlaced": lambda: huge(_RGBA, 16, interlaced=True),
    "png, 40 megapixels of 16 bits of grey": lambda: huge(_GREY, 16),
    "png, EXIF whose tags share a value": lambda: png(
        before=chunk(b"eXIf", exif_bombs.shared_values(FULL, tags=65_000))
    ),
    "png, EXIF of the large kind": lambda: png(
        before=chunk(b"eXIf", exif_bombs.large_kind(2_000_000))
    ),
    "png, EXIF that begins again and again": lambda: png(
        before=chunk(b"eXIf", exif_bombs.repeated_prefix(FULL))
    ),
    "png, an orientation of millions of values": lambda: png(
        behind=chunk(b"eXIf", exif_bombs.turned(9_000_000))
    ),
    "png, EXIF in a text": lambda: png(before=_hidden_exif(b"zTXt", b"\0\0")),
    "png, EXIF in an international text": lambda: png(before=_hidden_exif(b"iTXt", b"\0\1\0\0\0")),
    "png, no palette": lambda: _file(64, _PALETTE, 8, False, chunk(b"IDAT", zlib.compress(b""))),
    "png, a long palette": lambda: png(before=chunk(b"PLTE", b"\1\2\3" * 1_000_000)),
    "png, a long transparency": lambda: png(before=chunk(b"tRNS", b"\xff" * FULL)),
    "png, frames": lambda: png(before=_frames(1 << 30), behind=_more_frames(200_000)),
}
