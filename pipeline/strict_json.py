"""JSON of a stranger's hand: bounded in size and depth, and nothing in it that JSON cannot say."""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from typing import Any

# Deeper than anything that is written here; far from where the parser gives up by itself.
MAX_DEPTH = 16
# What fits in 64 bits has no more.
_MAX_DIGITS = 19
_FOUND_CHARACTERS = 60

# An open string takes all that is left: each character is looked at once, whatever is there.
_STRING = re.compile(r'"(?:[^"\\]++|\\.)*+(?:"|\\?\Z)', re.DOTALL)
_BRACKET = re.compile(r"[\[\]{}]")


def parse(raw: bytes, max_bytes: int, max_depth: int = MAX_DEPTH) -> Any:
    """Read one JSON document in UTF-8.

    Whatever it returns can be written as JSON and as UTF-8 again: no half of a surrogate pair, no
    NaN, no number beyond what others read, no name that is there twice.

    Raises:
        ValueError: it is none; the text says what was found, in ASCII.
    """
    if len(raw) > max_bytes:
        raise ValueError(f"{len(raw)} bytes are too many; at most {max_bytes} are read")
    text = raw.decode("utf-8")
    if text.count("[") + text.count("{") > max_depth and _depth(text, max_depth) > max_depth:
        raise ValueError(f"it is nested too deeply; at most {max_depth} levels are read")
    value = _DECODER.decode(text)
    # Only an escape can name half a pair: bytes that do are no UTF-8.
    if "\\u" in text:
        json.dumps(value, ensure_ascii=False).encode("utf-8")
    return value


def _depth(text: str, enough: int) -> int:
    """Measure how deep a document goes, and stop where it goes deeper than that."""
    depth = deepest = 0
    for bracket in _BRACKET.finditer(_STRING.sub("", text)):
        depth += 1 if bracket[0] in "[{" else -1
        deepest = max(deepest, depth)
        if deepest > enough:
            break
    return deepest


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        (twice, _), *_ = Counter(name for name, _ in pairs).most_common(1)
        raise ValueError(f"the name {ascii(twice)[:_FOUND_CHARACTERS]} is there twice")
    return found


def _integer(text: str) -> int:
    digits = len(text.removeprefix("-"))
    if digits > _MAX_DIGITS:
        raise ValueError(f"a number has {digits} digits; at most {_MAX_DIGITS} are read")
    return int(text)


def _real(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise ValueError(f"{text[:_FOUND_CHARACTERS]} is too large a number")
    return number


def _constant(text: str) -> float:
    raise ValueError(f"{text} is no number of JSON")


_DECODER = json.JSONDecoder(
    object_pairs_hook=_object, parse_int=_integer, parse_float=_real, parse_constant=_constant
)
