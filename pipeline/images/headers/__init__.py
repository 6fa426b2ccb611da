"""What picture files tell of themselves, found in one bounded walk over their parts."""

from __future__ import annotations

import struct
from collections.abc import Callable

from pipeline.images import formats
from pipeline.images.formats import Format, Header
from pipeline.images.headers import bmp, gif, jpeg, png, webp

READERS: dict[Format, Callable[[bytes], Header]] = {
    formats.JPEG: jpeg.read,
    formats.PNG: png.read,
    formats.GIF: gif.read,
    formats.BMP: bmp.read,
    formats.WEBP: webp.read,
}


def read(kind: Format, data: bytes) -> Header:
    """Read a file's header and check its parts and its end, decoding nothing.

    The walk itself takes some 10 milliseconds at most, whatever the file.

    Raises:
        InvalidImage: the file is broken, cut off, or has more parts than any program writes.
    """
    try:
        return READERS[kind](data)
    except (struct.error, IndexError) as error:
        raise formats.broken(kind, "its header is incomplete") from error
