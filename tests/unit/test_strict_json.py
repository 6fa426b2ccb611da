"""JSON of a stranger's hand is bounded, and what comes out of it can be written again."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline import strict_json

# Whatever grows with its square does not come back.
MANY = 200_000
SOUND = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**18), 10**18) | st.text() | st.floats(-1e9, 1e9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(SOUND)
def test_what_others_write_is_read_as_it_is(value: object) -> None:
    for escaped in (True, False):
        raw = json.dumps(value, ensure_ascii=escaped).encode()

        assert strict_json.parse(raw, len(raw)) == value


@given(st.binary() | st.text('[]{}",:\\u0d8e19 tf').map(str.encode))
def test_whatever_is_read_can_be_written(raw: bytes) -> None:
    try:
        value = strict_json.parse(raw, 1000)
    except ValueError:
        return

    assert json.dumps(value, ensure_ascii=False, allow_nan=False).encode()


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"[" * MANY, "nested too deeply; at most 16"),
        (b'{"a":' * MANY, "nested too deeply"),
        (b'"' + b'\\"' * MANY + b"[" * 20, "Unterminated string"),
        (b'["' + b'[\\"' * MANY, "Unterminated string"),
        (b"[" + b"[]," * MANY + b"[]", "delimiter"),
        (b"9" * MANY, "digits; at most 19"),
        (b"1e999", "1e999 is too large a number"),
        (b"NaN", "NaN is no number of JSON"),
        (b'{"a":1,"b":2,"a":3}', "the name 'a' is there twice"),
        (b'{"\\ud800":1,"\\ud800":2}', r"the name '\\ud800' is there twice"),
        (b'["\\ud800"]', "surrogates not allowed"),
        (b"\xed\xa0\x80", "can't decode"),
        (b" " * (9 * MANY), "1800000 bytes are too many; at most"),
    ],
    ids=[
        "lists", "objects", "quotes", "brackets in a string", "many lists", "digits", "too large",
        "NaN", "twice", "half twice", "half a pair", "bytes of half a pair", "many bytes",
    ],
)  # fmt: skip
def test_what_is_refused_says_why_at_once(raw: bytes, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        strict_json.parse(raw, 8 * MANY)


def test_brackets_in_a_name_are_no_depth() -> None:
    name = "[{" * 100

    assert strict_json.parse(json.dumps({"name": name}).encode(), 1000) == {"name": name}
