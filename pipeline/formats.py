"""What a picture file's header and end marker tell, read without decoding a pixel."""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass

from pipeline.errors import InvalidImage

ALLOWED = "JPEG, PNG, WebP, GIF or BMP"


@dataclass(frozen=True)
class Format:
    """One format that is accepted, under Pillow's name for it."""

    name: str
    mime_type: str
    extension: str


JPEG = Format("JPEG", "image/jpeg", "jpg")
PNG = Format("PNG", "image/png", "png")
GIF = Format("GIF", "image/gif", "gif")
BMP = Format("BMP", "image/bmp", "bmp")
WEBP = Format("WEBP", "image/webp", "webp")

EXTENSIONS = tuple(kind.extension for kind in (JPEG, PNG, GIF, BMP, WEBP))

# Start-of-frame markers; C4, C8 and CC in the same range are tables and extensions.
_JPEG_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_JPEG_SCAN = 0xDA


def identify(data: bytes) -> Format:
    """Tell the format from the first bytes; names and types the client gave do not count.

    Raises:
        InvalidImage: status 415, not a format that is accepted.
    """
    if data[:3] == b"\xff\xd8\xff":
        return JPEG
    if data[:8] == b"\x89PNG\r\n\x1a\n":
        return PNG
    if data[:6] in (b"GIF87a", b"GIF89a"):
        return GIF
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return WEBP
    if data[:2] == b"BM" and len(data) >= 26 and struct.unpack_from("<I", data, 14)[0] >= 12:
        return BMP
    raise InvalidImage(
        f"the file is not {ALLOWED}; it starts with {data[:8].hex(' ')}",
        code="unsupported-format",
        status=415,
        found=data[:8].hex(" "),
        allowed=ALLOWED,
    )


def measure(kind: Format, data: bytes) -> tuple[int, int]:
    """Read width and height in pixels from the header and check that the end is there.

    Raises:
        InvalidImage: the header is broken, or the file is cut off.
    """
    try:
        return _READERS[kind](data)
    except (struct.error, IndexError) as error:
        raise _broken(kind, "its header is incomplete") from error


def _measure_jpeg(data: bytes) -> tuple[int, int]:
    size: tuple[int, int] | None = None
    position = 2
    while True:
        marker, position = _next_jpeg_marker(data, position)
        if marker == _JPEG_SCAN:
            break
        (length,) = struct.unpack_from(">H", data, position)
        if length < 2:
            raise _broken(JPEG, f"a segment of length {length} was found")
        if marker in _JPEG_FRAMES:
            height, width = struct.unpack_from(">HH", data, position + 3)
            size = (width, height)
        position += length
    # Searched from the scan on: an embedded thumbnail has an end marker of its own before it.
    if data.rfind(b"\xff\xd9", position) < 0:
        raise _cut_off(JPEG, "end marker FF D9")
    if size is None:
        raise _broken(JPEG, "it has no frame header before its first scan")
    return size


def _next_jpeg_marker(data: bytes, position: int) -> tuple[int, int]:
    if data[position] != 0xFF:
        raise _broken(JPEG, f"a marker was expected at byte {position}")
    while data[position] == 0xFF:
        position += 1
    return data[position], position + 1


def _measure_png(data: bytes) -> tuple[int, int]:
    if data[12:16] != b"IHDR":
        raise _broken(PNG, "its first chunk is not IHDR")
    if data.rfind(b"IEND\xaeB`\x82") < 0:
        raise _cut_off(PNG, "end chunk IEND")
    width, height = struct.unpack_from(">II", data, 16)
    return width, height


def _measure_gif(data: bytes) -> tuple[int, int]:
    if not data.rstrip(b"\0").endswith(b";"):
        raise _cut_off(GIF, "trailer 3B")
    width, height = struct.unpack_from("<HH", data, 6)
    return width, height


def _measure_bmp(data: bytes) -> tuple[int, int]:
    # Some writers leave the length 0; a larger one than the file's means that its end is missing.
    (declared,) = struct.unpack_from("<I", data, 2)
    if declared > len(data):
        raise _cut_off(BMP, f"{declared} bytes its header declares; there are {len(data)}")
    (header_length,) = struct.unpack_from("<I", data, 14)
    width, height = struct.unpack_from("<HH" if header_length == 12 else "<ii", data, 18)
    return width, abs(height)  # a negative height means rows from top to bottom


def _measure_webp(data: bytes) -> tuple[int, int]:
    (declared,) = struct.unpack_from("<I", data, 4)
    if declared + 8 > len(data):
        raise _cut_off(WEBP, f"{declared + 8} bytes its header declares; there are {len(data)}")
    chunk = data[12:16]
    if chunk == b"VP8X":
        return _u24(data, 24) + 1, _u24(data, 27) + 1
    if chunk == b"VP8L":
        (bits,) = struct.unpack_from("<I", data, 21)
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if chunk == b"VP8 ":
        width, height = struct.unpack_from("<HH", data, 26)
        return width & 0x3FFF, height & 0x3FFF
    raise _broken(WEBP, "it has no VP8, VP8L or VP8X chunk")


def _u24(data: bytes, offset: int) -> int:
    return int.from_bytes(struct.unpack_from("3s", data, offset)[0], "little")


def _broken(kind: Format, reason: str) -> InvalidImage:
    return InvalidImage(f"the {kind.name} file is damaged: {reason}", code="damaged-image")


def _cut_off(kind: Format, missing: str) -> InvalidImage:
    return InvalidImage(
        f"the {kind.name} file is cut off: it lacks the {missing}",
        code="truncated-image",
        allowed="a complete file",
    )


_READERS: dict[Format, Callable[[bytes], tuple[int, int]]] = {
    JPEG: _measure_jpeg,
    PNG: _measure_png,
    GIF: _measure_gif,
    BMP: _measure_bmp,
    WEBP: _measure_webp,
}
