"""TIFF's list of tags, the form of EXIF: how much it would cost Pillow to read it."""

from __future__ import annotations

import struct

# Nobody can tell: to be tried where it can be ended.
UNKNOWN_SECONDS = 60.0

_PREFIX = b"Exif\0\0"
_ORDERS = {b"II": "<", b"MM": ">"}
_BIG = 43
_TAG_SECONDS = 10e-6
# Each tag may name the same bytes of the file as its value, and gets a copy of them.
_COPIED_BYTE_SECONDS = 10e-9
_BYTE_SECONDS = 50e-9


def seconds(tags: bytes) -> float:
    """Estimate how long reading the first list of tags takes at most."""
    tags = tags.removeprefix(_PREFIX)
    order = _ORDERS.get(tags[:2])
    if tags.startswith(_PREFIX):
        return UNKNOWN_SECONDS  # Pillow takes one off after the other, copying the rest each time
    if not order or len(tags) < 8:
        return 0.0
    magic, offset = struct.unpack_from(f"{order}HI", tags, 2)
    if magic == _BIG:
        return UNKNOWN_SECONDS
    if offset + 2 > len(tags):
        return 0.0
    count: int = struct.unpack_from(f"{order}H", tags, offset)[0]
    copied = count * len(tags) * _COPIED_BYTE_SECONDS
    return count * _TAG_SECONDS + copied + len(tags) * _BYTE_SECONDS
