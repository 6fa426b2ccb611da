"""PNG: its chunks, their checksums, and its end."""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass

from pipeline.images.formats import PNG, Header, broken, cut_off, too_costly
from pipeline.images.headers import tiff

# libpng writes pixels 8 KB at a time: 20 MB make 2,441. Some write a chunk for each row.
MAX_CHUNKS = 16_384

_SIGNATURE_BYTES = 8
_AROUND_BYTES = 12  # length, name and checksum
_PALETTE = 3
_MAX_PALETTE_BYTES = 3 * 256
# Colour types, and the bits that a sample of each may have.
_DEPTHS = {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}
_ALPHA = (4, 6)

# Measured, for each pixel; with alpha it is laid on white afterwards.
_PIXEL_SECONDS = 15e-9
_ALPHA_PIXEL_SECONDS = 30e-9
_CHUNK_SECONDS = 6e-6
# Text is inflated to a megabyte at most; in all to 64.
_INFLATED_SECONDS = 4e-3
_INFLATED = (b"zTXt", b"iTXt", b"iCCP")
_TEXTS = (b"tEXt", b"zTXt", b"iTXt")
# Where ImageMagick keeps EXIF: in hexadecimal digits, compressed.
_HIDDEN_EXIF = b"Raw profile type exif\0"


@dataclass
class _Walk:
    """What was met on the way to the end."""

    alpha: bool
    seconds: float = 0.0
    chunks: int = 0
    palette: bool = False
    pixels: bool = False
    profile: bool = False


def read(data: bytes) -> Header:
    """Read a PNG's header and check each chunk up to its end."""
    length, name, width, height, depth, colour = struct.unpack_from(">I4sIIBB", data, 8)
    if name != b"IHDR":
        raise broken(PNG, "its first chunk is not IHDR")
    if length != 13 or depth not in _DEPTHS.get(colour, ()):
        raise broken(PNG, f"it has colour type {colour} with {depth} bits")
    walk = _Walk(alpha=colour in _ALPHA)
    _walk(data, walk)
    if not walk.pixels:
        raise broken(PNG, "it has no IDAT chunk")
    if colour == _PALETTE and not walk.palette:
        raise broken(PNG, "it has colours by palette and no PLTE chunk before its pixels")
    pixel = _ALPHA_PIXEL_SECONDS if walk.alpha else _PIXEL_SECONDS
    seconds = width * height * pixel + walk.chunks * _CHUNK_SECONDS + walk.seconds
    return Header(width, height, seconds)


def _walk(data: bytes, walk: _Walk) -> None:
    """Go from chunk to chunk, up to the one that says it is the last."""
    view, position, name = memoryview(data), _SIGNATURE_BYTES, b""
    while name != b"IEND":
        if len(data) < position + _AROUND_BYTES:
            raise cut_off(PNG, "end chunk IEND")
        walk.chunks += 1
        if walk.chunks > MAX_CHUNKS:
            raise too_costly(PNG, "chunks", walk.chunks, MAX_CHUNKS)
        length, name = struct.unpack_from(">I4s", data, position)
        end = position + _AROUND_BYTES + length
        if end > len(data):
            raise cut_off(PNG, f"end of its chunk {_text(name)}, {end - len(data)} bytes")
        (checksum,) = struct.unpack_from(">I", data, end - 4)
        if zlib.crc32(view[position + 4 : end - 4]) != checksum:
            raise broken(PNG, f"the checksum of its chunk {_text(name)} is wrong")
        if name != b"IDAT":
            _note(name, data[position + 8 : end - 4], walk)
        else:
            walk.pixels = True
        position = end


def _note(name: bytes, body: bytes, walk: _Walk) -> None:
    """Remember what a chunk other than pixels means for decoding."""
    if name == b"PLTE":
        if not 3 <= len(body) <= _MAX_PALETTE_BYTES or len(body) % 3:
            raise broken(PNG, f"its palette has {len(body)} bytes")
        walk.palette = walk.palette or not walk.pixels
    elif name == b"tRNS":
        walk.alpha = True
    elif name == b"eXIf":
        walk.seconds += tiff.seconds(body)
    elif name == b"iCCP":
        if walk.profile:
            raise broken(PNG, "it has a second colour profile")
        walk.profile = True
    if name in _INFLATED:
        walk.seconds += _INFLATED_SECONDS
    if name in _TEXTS and body.startswith(_HIDDEN_EXIF):
        walk.seconds += tiff.UNKNOWN_SECONDS


def _text(name: bytes) -> str:
    return name.decode("ascii", "backslashreplace")
