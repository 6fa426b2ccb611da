"""A batch that cannot be read is the sender's fault, whatever it holds."""

from __future__ import annotations

import json

import pytest

import batches
from pipeline.errors import Rejected
from tests.samples import uploaded

EVENT = uploaded().encode()


def test_a_batch_is_read_in_its_order() -> None:
    first, second = uploaded("a"), uploaded("b")
    body = b"[" + first.encode() + b"," + second.encode() + b"]"

    assert batches.parse(body) == [first, second]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"no JSON",
        b"{}",
        b"[]",
        b"[1]",
        b"[" + b",".join([EVENT] * 65) + b"]",
        b"[" * 200_000,
        b'{"a":' * 50_000,
        b"[" + EVENT[:-1] + b"]",
        b"[" + EVENT.replace(b"a.jpg", b"\xff") + b"]",
        b"[" + EVENT.replace(b"a.jpg", b"\\ud800") + b"]",
        b"[" + EVENT.replace(b"a.jpg", b"\\uDFFF.jpg") + b"]",
        b"[" + EVENT.replace(b'"a.jpg"', b"NaN") + b"]",
        b"[" + EVENT.replace(b'"a.jpg"', b"1" * 5000) + b"]",
        ("[" + EVENT.decode() + "]").encode("utf-16"),
        b"\xef\xbb\xbf[" + EVENT + b"]",
    ],
)
def test_a_batch_that_cannot_be_read_is_refused(body: bytes) -> None:
    with pytest.raises(Rejected) as refused:
        batches.parse(body)

    assert (refused.value.status, refused.value.code) in {
        (400, "bad-batch"),
        (400, "malformed-event"),
    }


def test_a_batch_beyond_its_size_is_not_even_looked_at() -> None:
    with pytest.raises(Rejected) as refused:
        batches.parse(b"[" * (batches.MAX_BYTES + 1))

    assert (refused.value.status, refused.value.allowed) == (413, batches.MAX_BYTES)


def test_a_whole_character_in_two_halves_is_a_character() -> None:
    text = json.dumps([json.loads(EVENT)]).replace("a.jpg", "\\ud83d\\ude00")

    assert batches.parse(text.encode())[0].original_file_name == "\N{GRINNING FACE}"


def test_the_largest_batch_fits() -> None:
    name = "\N{GRINNING FACE}" * 255
    event = uploaded(original_file_name=name)

    assert len(batches.parse(b"[" + b",".join([event.encode()] * 64) + b"]")) == 64
