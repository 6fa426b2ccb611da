"""Lists of tags whose reading takes much more than their writing."""

from __future__ import annotations

import struct

_BYTES = 7  # the type of a value that may have any bytes


def shared_values(size: int, tags: int | None = None) -> bytes:
    """As many tags as fit, or so many, each with nearly all of the list as its value."""
    count = tags or (size - 14) // 12
    head = b"MM\0\x2a" + struct.pack(">IH", 8, count)
    entries = b"".join(struct.pack(">HHII", tag + 1, _BYTES, size - 16, 8) for tag in range(count))
    return (head + entries).ljust(size, b"\0")


def large_kind(size: int) -> bytes:
    """The same in BigTIFF, whose counts and places have 64 bits."""
    count = (size - 32) // 20
    head = b"MM\0\x2b" + struct.pack(">HHQQ", 8, 0, 16, count)
    entries = b"".join(
        struct.pack(">HHQQ", tag % 65_535 + 1, _BYTES, size - 40, 16) for tag in range(count)
    )
    return (head + entries).ljust(size, b"\0")


def repeated_prefix(size: int) -> bytes:
    """Nothing but the words that EXIF begins with."""
    return b"Exif\0\0" * (size // 6)


def turned(values: int) -> bytes:
    """An orientation of a million values."""
    entry = struct.pack(">HHII", 0x0112, 3, values, 26)
    return b"MM\0\x2a" + struct.pack(">IH", 8, 1) + entry + bytes(4) + b"\0\6" * values
