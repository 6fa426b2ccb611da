"""A JPEG fed to its decoder so that it shows whether its pixels are all there."""

from __future__ import annotations

from io import BytesIO

from PIL import ImageFile

from pipeline.images.formats import JPEG, cut_off

_END = b"\xff\xd9"
# The decoder looks some bits ahead; and files that lack a few bytes lack nothing to be seen.
_AHEAD = bytes(64)
# Values that no row of a picture begins with.
_MARKS = (41, 214, 3, 187, 90, 250)


def expect_whole(image: ImageFile.ImageFile, data: bytes) -> None:
    """Have an opened JPEG's `load` raise InvalidImage where rows of pixels are missing.

    libjpeg paints what is missing before an end marker grey and says nothing. Without one it waits
    for more data instead. So it is held back until the last row was written, and whoever cut a file
    off and closed it again is found out. Not for a picture whose decoder needs its end to begin.
    """
    image.load_prepare()
    image.fp = _HeldBack(image, data)


class _HeldBack(BytesIO):
    """A file that gives its end marker when its last row of pixels was written."""

    def __init__(self, image: ImageFile.ImageFile, data: bytes) -> None:
        super().__init__(data)
        self._end = data.rfind(_END)
        self._left = [_END, _AHEAD]
        self._pixels = image.im
        row, bands = image.height - 1, len(image.getbands())
        self._marks = [
            ((x, row), mark if bands == 1 else (mark,) * bands)
            for x, mark in enumerate(_MARKS[: image.width])
        ]
        for place, mark in self._marks:
            self._pixels.putpixel(place, mark)

    def read(self, size: int | None = -1) -> bytes:
        """Read on; the end marker comes last."""
        left = self._end - self.tell()
        if left > 0:
            return super().read(left if size is None or size < 0 else min(size, left))
        if self._left == [_END] and self._is_unwritten():
            raise cut_off(JPEG, "last rows of its pixels")
        return self._left.pop() if self._left else b""

    def _is_unwritten(self) -> bool:
        return all(self._pixels.getpixel(place) == mark for place, mark in self._marks)
