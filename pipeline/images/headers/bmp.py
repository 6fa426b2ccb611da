"""BMP: its header, its length, and how its pixels are written."""

from __future__ import annotations

import struct

from pipeline.images.formats import BMP, Header, broken, cut_off

_CORE_BYTES = 12
_PLAIN, _RLE8, _RLE4, _BITFIELDS = range(4)
# Measured, for each pixel.
_PIXEL_SECONDS = 10e-9
# Pillow reads run lengths in Python: bytes that end a row, and those that say nothing.
_RUN_PIXEL_SECONDS = 100e-9
_RUN_BYTE_SECONDS = 300e-9


def read(data: bytes) -> Header:
    """Read a BMP's header and compare its length with what there is."""
    # Some writers leave the length 0; a larger one than the file's means that its end is missing.
    (declared,) = struct.unpack_from("<I", data, 2)
    if declared > len(data):
        raise cut_off(BMP, f"{declared} bytes its header declares; there are {len(data)}")
    (header_length,) = struct.unpack_from("<I", data, 14)
    if header_length == _CORE_BYTES:
        width, height = struct.unpack_from("<HH", data, 18)
        compression = _PLAIN
    else:
        width, height, _, _, compression = struct.unpack_from("<iiHHI", data, 18)
    if compression not in (_PLAIN, _RLE8, _RLE4, _BITFIELDS):
        raise broken(BMP, f"compression {compression} was found; 0 to 3 are known")
    height = abs(height)  # a negative height means rows from top to bottom
    if compression in (_RLE8, _RLE4):
        seconds = width * height * _RUN_PIXEL_SECONDS + len(data) * _RUN_BYTE_SECONDS
    else:
        seconds = width * height * _PIXEL_SECONDS
    return Header(width, height, seconds)
