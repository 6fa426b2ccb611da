"""A lossless WebP in which each 4 × 4 pixels have Huffman tables of their own."""

from __future__ import annotations

_BLOCK_SIDE = 4
_SYMBOLS = 256
# In the order in which the lengths of the code for lengths are written, 8 is the twelfth.
_LENGTHS_UP_TO_8 = 12


class _Bits:
    """Bits, the lowest first."""

    def __init__(self) -> None:
        self._text: list[str] = []

    def put(self, value: int, width: int) -> None:
        self._text.append(f"{value:0{width}b}"[::-1])

    def put_code(self, symbol: int) -> None:
        """One of 256 codes of 8 bits, the highest first."""
        self._text.append(f"{symbol:08b}")

    def to_bytes(self) -> bytes:
        text = "".join(self._text)
        return int(text[::-1], 2).to_bytes(len(text) // 8 + 1, "little")


def tables(side: int) -> bytes:
    """The VP8L chunk's body of a square black picture, of as many tables as can be had."""
    bits, groups = _Bits(), (side // _BLOCK_SIDE) ** 2
    bits.put(0x2F, 8)
    bits.put(side - 1, 14)
    bits.put(side - 1, 14)
    bits.put(0, 4)  # no alpha, version 0
    bits.put(0, 2)  # no transform, no colour cache
    bits.put(1, 1)  # tables by place
    bits.put(0, 3)  # of 4 × 4 pixels
    _put_places(bits, groups)
    for _ in range(groups * 5):
        _put_one_symbol(bits)
    return bits.to_bytes()


def _put_places(bits: _Bits, groups: int) -> None:
    """Write which table is whose: a picture whose green and red count up."""
    bits.put(0, 1)
    _put_all_symbols(bits)
    _put_all_symbols(bits)
    for _ in range(3):
        _put_one_symbol(bits)
    for group in range(groups):
        bits.put_code(group & 0xFF)
        bits.put_code(group >> 8)


def _put_all_symbols(bits: _Bits) -> None:
    """A code in which the first 256 symbols have 8 bits each."""
    bits.put(0, 1)
    bits.put(_LENGTHS_UP_TO_8 - 4, 4)
    for number in range(_LENGTHS_UP_TO_8):
        bits.put(number == _LENGTHS_UP_TO_8 - 1, 3)
    bits.put(1, 1)  # fewer symbols than there might be: their number, in 8 bits
    bits.put(3, 3)
    bits.put(_SYMBOLS - 2, 8)


def _put_one_symbol(bits: _Bits) -> None:
    """A code of one symbol, 0, which takes no bits."""
    bits.put(1, 4)
