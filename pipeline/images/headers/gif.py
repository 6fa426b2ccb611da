"""GIF: its blocks up to the first frame, and its end."""

from __future__ import annotations

import struct

from pipeline.images.formats import GIF, Header, broken, cut_off, too_costly

# Blocks of 255 bytes hold comments, XMP and colour profiles: this is 4 MB of them, ahead of the
# picture. Pillow reads them one by one.
MAX_BLOCKS = 16_384

_SCREEN_BYTES = 13
_FRAME, _EXTENSION, _TRAILER = 0x2C, 0x21, 0x3B
_APPLICATION, _COMMENT = 0xFF, 0xFE
_LOOP = b"NETSCAPE2.0"
# Measured, for each pixel of the screen.
_PIXEL_SECONDS = 15e-9
_BLOCK_SECONDS = 2e-6


def read(data: bytes) -> Header:
    """Read a GIF's screen and first frame; the picture has the size that holds both."""
    if not data.rstrip(b"\0").endswith(b";"):
        raise cut_off(GIF, "trailer 3B")
    width, height, flags = struct.unpack_from("<HHB", data, 6)
    position = _SCREEN_BYTES + (3 << (flags & 7) + 1 if flags & 0x80 else 0)
    position, blocks = _first_frame(data, position)
    left, top, frame_width, frame_height = struct.unpack_from("<HHHH", data, position)
    width, height = max(width, left + frame_width), max(height, top + frame_height)
    return Header(width, height, width * height * _PIXEL_SECONDS + blocks * _BLOCK_SECONDS)


def _first_frame(data: bytes, position: int) -> tuple[int, int]:
    """Find what follows the first frame's introducer, as Pillow finds it; and count blocks."""
    blocks = 0
    while (introducer := data[position]) != _FRAME:
        if introducer == _TRAILER:
            raise broken(GIF, "it has no frame")
        position += 1
        blocks = _counted(blocks)
        if introducer == _EXTENSION:
            position, blocks = _after_extension(data, position, blocks)
    return position + 1, blocks


def _after_extension(data: bytes, position: int, blocks: int) -> tuple[int, int]:
    label, size = data[position], data[position + 1]
    name = data[position + 2 : position + 2 + size]
    position += 2 + size
    if label == _COMMENT and not size:
        return position, blocks
    if label == _APPLICATION and name.startswith(_LOOP):
        position += 1 + data[position]  # Pillow takes this one for no end, whatever its size
    while size := data[position]:
        position += 1 + size
        blocks = _counted(blocks)
    return position + 1, blocks


def _counted(blocks: int) -> int:
    if blocks == MAX_BLOCKS:
        raise too_costly(GIF, "blocks before its first frame", blocks + 1, MAX_BLOCKS)
    return blocks + 1
