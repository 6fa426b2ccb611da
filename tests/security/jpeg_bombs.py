"""JPEGs of a few kilobytes, or of many parts, that cost a decoder much."""

from __future__ import annotations

import struct
from collections.abc import Callable

from tests import pictures
from tests.security import exif_bombs
from tests.security.pixels import FULL, HUGE_SIDE

SOI, EOI = b"\xff\xd8", b"\xff\xd9"
_BASELINE, _PROGRESSIVE, _ARITHMETIC, _ARITHMETIC_PROGRESSIVE = 0xC0, 0xC2, 0xC9, 0xCA


def segment(marker: int, body: bytes = b"") -> bytes:
    """One marker segment."""
    return struct.pack(">BBH", 0xFF, marker, len(body) + 2) + body


def frame(marker: int, side: int, components: int) -> bytes:
    """Tables and a frame header of a square picture, without subsampling."""
    layout = b"".join(bytes([number + 1, 0x11, 0]) for number in range(components))
    # One code of one bit in each table: the DC difference 0, and a run of 2^14 ended blocks.
    huffman = b"".join(
        segment(0xC4, bytes([table, 1]) + bytes(15) + bytes([value]))
        for table, value in ((0x00, 0x00), (0x10, 0xE0))
    )
    header = struct.pack(">BHHB", 8, side, side, components) + layout
    return segment(0xDB, b"\0" + b"\1" * 64) + segment(marker, header) + huffman


def scan(components: tuple[int, ...], spectrum: bytes, data: bytes) -> bytes:
    """One scan: of which components, which coefficients and bits, and its entropy-coded data."""
    names = b"".join(bytes([component, 0]) for component in components)
    return segment(0xDA, bytes([len(components)]) + names + spectrum) + data


def staged(side: int, components: int, scans: int, spectrum: bytes) -> bytes:
    """A progressive picture: a first scan for DC, then many that say nothing new."""
    blocks = (side // 8 + 1) ** 2
    everything = tuple(range(1, components + 1))
    first = scan(everything, b"\0\0\x01", bytes(blocks * components // 8 + 1))
    if spectrum[0]:
        # Runs of ended blocks, 15 bits each; a refinement adds nothing to coefficients of 0.
        later = [
            scan((1 + number % components,), spectrum, bytes((blocks // 2**14 + 1) * 15 // 8 + 2))
            for number in range(scans)
        ]
    else:
        later = [scan(everything, spectrum, bytes(blocks * components // 8 + 1))] * scans
    return SOI + frame(_PROGRESSIVE, side, components) + first + b"".join(later) + EOI


def _before_frame(body: bytes) -> bytes:
    return SOI + body + pictures.jpeg()[2:]


def _behind_first_scan(body: bytes) -> bytes:
    return staged(64, 1, 1, b"\x01\x3f\x01")[:-2] + body + EOI


def _filled(part: bytes) -> bytes:
    return part * (FULL // len(part))


def _whole(marker: int, side: int, components: int, data: bytes) -> bytes:
    everything = tuple(range(1, components + 1))
    spectrum = b"\0\x3f\0" if marker in (_BASELINE, _ARITHMETIC) else b"\0\0\0"
    return SOI + frame(marker, side, components) + scan(everything, spectrum, data) + EOI


def _arithmetic_stages(side: int, refinements: int) -> bytes:
    stages = [b"\x01\x3f\x02", b"\x01\x3f\x21"] + [b"\x01\x3f\x10"] * refinements
    scans = b"".join(scan((1,), spectrum, bytes(64)) for spectrum in stages)
    return _whole(_ARITHMETIC_PROGRESSIVE, side, 1, bytes(64))[:-2] + scans + EOI


_SMALL_SCAN = scan((1,), b"\x01\x3f\x01", bytes(4))
_ACS, _REFINED, _DCS = b"\x01\x3f\x01", b"\x01\x3f\x10", b"\0\0\x10"

BOMBS: dict[str, Callable[[], bytes]] = {
    "jpeg, 4000 scans": lambda: staged(HUGE_SIDE, 1, 4000, _ACS),
    "jpeg, 4000 refinements": lambda: staged(HUGE_SIDE, 1, 4000, _REFINED),
    "jpeg, 99 scans of 40 megapixels": lambda: staged(HUGE_SIDE, 1, 98, _REFINED),
    "jpeg, 25 refinements of 40 megapixels": lambda: staged(HUGE_SIDE, 1, 23, _REFINED),
    "jpeg, 25 scans of 3 components": lambda: staged(HUGE_SIDE, 3, 23, _REFINED),
    "jpeg, 25 scans for DC": lambda: staged(HUGE_SIDE, 3, 23, _DCS),
    "jpeg, 100 scans of 10 megapixels": lambda: staged(3160, 3, 99, _REFINED),
    "jpeg, sequential in 4000 scans": lambda: (
        SOI
        + frame(_BASELINE, 2000, 3)
        + b"".join(scan((1 + each % 3,), b"\0\x3f\0", bytes(40_000)) for each in range(400))
        + EOI
    ),
    "jpeg, a comment hides the scans behind it": lambda: _behind_first_scan(
        segment(0xFE, EOI) + _SMALL_SCAN * 4000
    ),
    "jpeg, a marker without length hides scans": lambda: _behind_first_scan(
        (b"\xff\x01" + _SMALL_SCAN * 1000) * 4
    ),
    "jpeg, empty comments": lambda: _before_frame(_filled(segment(0xFE))),
    "jpeg, empty application segments": lambda: _before_frame(_filled(segment(0xE1))),
    "jpeg, markers without length": lambda: _before_frame(_filled(b"\xff\xd0")),
    "jpeg, markers that readers skip byte by byte": lambda: _before_frame(
        _filled(segment(0xF0, bytes(65_000)))
    ),
    "jpeg, fill bytes": lambda: _before_frame(b"\xff" * FULL),
    "jpeg, fill bytes before each marker": lambda: _before_frame(
        (b"\xff" * 5000 + segment(0xFE)) * 3800
    ),
    "jpeg, quantisation tables": lambda: _before_frame(
        _filled(segment(0xDB, (b"\0" + b"\1" * 64) * 1000))
    ),
    "jpeg, Photoshop's resources": lambda: _before_frame(
        _filled(segment(0xED, b"Photoshop 3.0\0" + (b"8BIM" + bytes(8)) * 5400))
    ),
    "jpeg, comments between scans": lambda: _behind_first_scan(_filled(segment(0xFE))),
    "jpeg, tables between scans": lambda: _behind_first_scan(
        _filled(segment(0xC4, bytes([0x10, 1]) + bytes(15) + b"\xe0"))
    ),
    "jpeg, stuffed bytes": lambda: _whole(_BASELINE, 64, 1, b"\xff\x00" * (FULL // 2)),
    "jpeg, restarts": lambda: _whole(
        _BASELINE, 64, 1, b"".join(bytes([0xFF, 0xD0 + each % 8]) for each in range(FULL // 2))
    ),
    "jpeg, 40 megapixels of arithmetic code": lambda: _whole(_ARITHMETIC, HUGE_SIDE, 3, bytes(64)),
    "jpeg, 40 megapixels of dense arithmetic code": lambda: _whole(
        _ARITHMETIC, HUGE_SIDE, 3, bytes(range(250)) * (FULL // 250)
    ),
    "jpeg, arithmetic code in stages": lambda: _arithmetic_stages(HUGE_SIDE, 1),
    "jpeg, arithmetic code in 90 stages": lambda: _arithmetic_stages(1400, 87),
    "jpeg, two frame headers": lambda: _before_frame(frame(_BASELINE, 64, 1)),
    "jpeg, EXIF whose tags share a value": lambda: _before_frame(
        segment(0xE1, b"Exif\0\0" + exif_bombs.shared_values(65_000))
    ),
    "jpeg, EXIF in 290 segments": lambda: _before_frame(
        segment(0xE1, b"Exif\0\0" + exif_bombs.shared_values(65_000)) * 290
    ),
    "jpeg, EXIF of the large kind": lambda: _before_frame(
        segment(0xE1, b"Exif\0\0" + exif_bombs.large_kind(65_000))
    ),
    "jpeg, several pictures' index": lambda: _before_frame(
        segment(0xE2, b"MPF\0" + exif_bombs.shared_values(65_000)) * 290
    ),
}
