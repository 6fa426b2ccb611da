"""Which picture formats are accepted, and what a file of each tells without being decoded."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from pipeline.errors import InvalidImage, UnsupportedFormat


@dataclass(frozen=True)
class Format:
    """One format that is accepted.

    Attributes:
        name: Pillow's.
        shown: as people write it.
    """

    name: str
    mime_type: str
    extension: str
    shown: str


@dataclass(frozen=True)
class Header:
    """What a file says of itself, before EXIF rotation.

    Attributes:
        seconds: of one core, that decoding takes at most, roughly and on a machine of 2020; far
            more where nobody can tell.
        needs_end: a decoder wants the end of the file before it tells any row of pixels.
    """

    width: int
    height: int
    seconds: float
    needs_end: bool = False


JPEG = Format("JPEG", "image/jpeg", "jpg", "JPEG")
PNG = Format("PNG", "image/png", "png", "PNG")
GIF = Format("GIF", "image/gif", "gif", "GIF")
BMP = Format("BMP", "image/bmp", "bmp", "BMP")
WEBP = Format("WEBP", "image/webp", "webp", "WebP")

# Whoever asks which are accepted asks here; `identify` and `headers` know each by itself.
FORMATS = (JPEG, PNG, WEBP, GIF, BMP)
ALLOWED = ", ".join(kind.shown for kind in FORMATS[:-1]) + f" or {FORMATS[-1].shown}"


def identify(data: bytes) -> Format:
    """Tell the format from the first bytes; names and types the client gave do not count.

    Raises:
        UnsupportedFormat: it is none that is accepted.
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
    raise UnsupportedFormat(
        f"the file is not {ALLOWED}; it starts with {data[:8].hex(' ')}",
        found=data[:8].hex(" "),
        allowed=ALLOWED,
    )


def broken(kind: Format, reason: str) -> InvalidImage:
    """Say what is wrong with a file."""
    return InvalidImage(f"the {kind.name} file is damaged: {reason}", code="damaged-image")


def cut_off(kind: Format, missing: str) -> InvalidImage:
    """Say what a file lacks."""
    return InvalidImage(
        f"the {kind.name} file is cut off: it lacks the {missing}",
        code="truncated-image",
        allowed="a complete file",
    )


def too_costly(kind: Format, what: str, found: float, allowed: float) -> InvalidImage:
    """Say of what a file has more than any program writes."""
    return InvalidImage(
        f"the {kind.name} file would cost too much: {what}: {found:,}; the limit is {allowed:,}",
        code="too-costly",
        found=f"{what}: {found}",
        allowed=f"{what}: {allowed}",
    )
