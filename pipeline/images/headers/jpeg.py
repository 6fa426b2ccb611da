"""JPEG: its segments up to the first scan, and how many scans there are."""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass, field

from pipeline.images.formats import JPEG, Header, broken, cut_off, too_costly
from pipeline.images.headers import tiff

# An ICC profile takes 255 segments at most, 20 MB of the longest segments 305. Pillow keeps each
# as an object of its own.
MAX_SEGMENTS = 4096
# Bytes FF before a marker, which mean nothing. Pillow reads them one by one.
MAX_FILL_BYTES = 65_536
# libjpeg's cjpeg writes 100 at most and libvips reads no more; encoders write 3 to 14.
MAX_SCANS = 100
# Each scan goes through the whole picture. Photos of 40 megapixels have 400 to 560 of them.
MAX_SCANNED_MEGAPIXELS = 1000

_SCAN = 0xDA
_END = 0xD9
_ARITHMETIC = frozenset({0xC9, 0xCA, 0xCB, 0xCD, 0xCE, 0xCF})
_PROGRESSIVE = frozenset({0xC2, 0xC6, 0xCA, 0xCE})
# Start-of-frame markers; C4, C8 and CC in the same range are tables and extensions.
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
# What may come before a scan: frames, tables, application segments and comments. Other markers
# have no length, or none that decoders agree on.
_SEGMENTS = (
    frozenset(range(0xC0, 0xD0)) - {0xC8} | {0xDB, 0xDC, 0xDD, 0xFE} | frozenset(range(0xE0, 0xF0))
)
_FILL = re.compile(rb"\xff+")
# A marker that ends the data of a scan: no stuffed byte, no restart, none without a length.
_NEXT = re.compile(rb"\xff[\x02-\xcf\xd8-\xfe]")

# Measured: nanoseconds for each pixel of three components, and for each pixel of each scan.
_PIXEL_SECONDS = 10e-9
_SCAN_PIXEL_SECONDS = 1.5e-9
_SCAN_BYTE_SECONDS = 30e-9
# A bit of an arithmetic code may stand for hundreds of decisions; its decoder cannot wait for more.
_ARITHMETIC_PIXEL_SECONDS = 250e-9
_ARITHMETIC_SCAN_PIXEL_SECONDS = 40e-9
_SEGMENT_SECONDS = 3e-6
# Pillow takes quantisation tables and Photoshop's resources apart in Python.
_PARSED_BYTE_SECONDS = 85e-9
_PARSED = (0xDB, 0xED)


@dataclass
class _Walk:
    """What was met on the way to the first scan."""

    frame: int = 0
    width: int = 0
    height: int = 0
    components: int = 0
    segments: int = 0
    fill_bytes: int = 0
    seconds: float = 0.0
    exif: list[bytes] = field(default_factory=list)


def read(data: bytes) -> Header:
    """Read a JPEG's header, count its scans and find its end."""
    walk = _Walk()
    scan = _first_scan(data, walk)
    if not walk.frame:
        raise broken(JPEG, "it has no frame header before its first scan")
    # As libjpeg decides; it takes no second scan where the first holds all of a picture.
    has_scans = walk.frame in _PROGRESSIVE or data[scan + 2] < walk.components
    scans = _count_scans(data, scan, walk) if has_scans else 1
    # From the scan on: an embedded thumbnail has an end marker of its own before it.
    if not has_scans and data.rfind(b"\xff\xd9", scan) < 0:
        raise cut_off(JPEG, "end marker FF D9")
    megapixels = scans * walk.width * walk.height / 1e6
    if megapixels > MAX_SCANNED_MEGAPIXELS:
        raise too_costly(JPEG, "scans × megapixels", round(megapixels), MAX_SCANNED_MEGAPIXELS)
    needs_end = has_scans or walk.frame in _ARITHMETIC
    return Header(walk.width, walk.height, _seconds(walk, scans, data), needs_end)


def _first_scan(data: bytes, walk: _Walk) -> int:
    """Walk over the segments; give the place of the first scan's length."""
    position = 2
    while True:
        marker, position = _next_marker(data, position, walk)
        if marker == _SCAN:
            break
        if marker not in _SEGMENTS:
            raise broken(JPEG, f"marker FF {marker:02X} was found before its first scan")
        (length,) = struct.unpack_from(">H", data, position)
        if length < 2:
            raise broken(JPEG, f"a segment of length {length} was found")
        if marker in _FRAMES:
            _note_frame(data, marker, position, walk)
        elif marker in _PARSED:
            walk.seconds += length * _PARSED_BYTE_SECONDS
        elif marker in (0xE1, 0xE2):
            _note_tags(data, position, length, walk)
        position += length
    if len(walk.exif) > 1:
        walk.seconds += tiff.UNKNOWN_SECONDS  # rare, and joined in quadratic time
    elif walk.exif:
        walk.seconds += tiff.seconds(walk.exif[0])
    return position


def _next_marker(data: bytes, position: int, walk: _Walk) -> tuple[int, int]:
    walk.segments += 1
    if walk.segments > MAX_SEGMENTS:
        raise too_costly(JPEG, "segments", walk.segments, MAX_SEGMENTS)
    if data[position] != 0xFF:
        raise broken(JPEG, f"a marker was expected at byte {position}")
    marker = data[position + 1]
    if marker == 0xFF:
        fill = _FILL.match(data, position)
        assert fill
        walk.fill_bytes += fill.end() - position - 1
        if walk.fill_bytes > MAX_FILL_BYTES:
            raise too_costly(JPEG, "fill bytes", walk.fill_bytes, MAX_FILL_BYTES)
        position = fill.end() - 1
        marker = data[position + 1]
    return marker, position + 2


def _note_frame(data: bytes, marker: int, position: int, walk: _Walk) -> None:
    if walk.frame:
        raise broken(JPEG, "it has a second frame header")
    walk.frame = marker
    walk.height, walk.width, walk.components = struct.unpack_from(">HHB", data, position + 3)


def _note_tags(data: bytes, position: int, length: int, walk: _Walk) -> None:
    """Keep EXIF, and weigh the index of a file with several pictures, which has the same form."""
    start = data[position + 2 : position + 8]
    if start == b"Exif\0\0":
        walk.exif.append(data[position + 8 : position + length])
    elif start[:4] == b"MPF\0":
        walk.seconds += tiff.seconds(data[position + 6 : position + length])


def _count_scans(data: bytes, scan: int, walk: _Walk) -> int:
    """Count scans from the first to the end of the picture."""
    scans, position = 1, scan
    while True:
        (length,) = struct.unpack_from(">H", data, position)
        found = _NEXT.search(data, position + length)
        if not found:
            raise cut_off(JPEG, "end marker FF D9")
        marker, position = data[found.end() - 1], found.end()
        if marker == _END:
            return scans
        walk.segments += 1
        if walk.segments > MAX_SEGMENTS:
            raise too_costly(JPEG, "segments", walk.segments, MAX_SEGMENTS)
        if marker == _SCAN:
            scans += 1
            if scans > MAX_SCANS:
                raise too_costly(JPEG, "scans", scans, MAX_SCANS)


def _seconds(walk: _Walk, scans: int, data: bytes) -> float:
    is_arithmetic = walk.frame in _ARITHMETIC
    pixel = _ARITHMETIC_PIXEL_SECONDS if is_arithmetic else _PIXEL_SECONDS
    seconds = walk.seconds + walk.segments * _SEGMENT_SECONDS
    if scans > 1:
        pixel += scans * (_ARITHMETIC_SCAN_PIXEL_SECONDS if is_arithmetic else _SCAN_PIXEL_SECONDS)
        seconds += len(data) * _SCAN_BYTE_SECONDS
    return seconds + walk.width * walk.height * pixel * walk.components / 3
