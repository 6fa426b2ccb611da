"""What is too costly is refused or ended, and said so."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image

from pipeline.errors import InvalidImage, Unavailable
from pipeline.images import decoder_process, decoding, formats
from pipeline.settings import Settings
from tests import pictures
from tests.security import decode_fuzz, jpeg_bombs, other_bombs, png_bombs

LIMITS = decoding.Limits.from_settings(Settings())
HURRIED = decoding.Limits(20_000_000, 40_000_000, 16, max_decode_seconds=0.2)


@pytest.mark.parametrize(
    ("make", "found"),
    [
        (lambda: jpeg_bombs.staged(64, 1, 4000, b"\x01\x3f\x01"), "scans: 101"),
        (lambda: jpeg_bombs.staged(6000, 1, 50, b"\x01\x3f\x01"), "scans × megapixels: 1836"),
        (jpeg_bombs.BOMBS["jpeg, empty comments"], "segments: 4097"),
        (png_bombs.BOMBS["png, empty chunks of pixels"], "chunks: 16385"),
        (other_bombs.BOMBS["gif, bytes between blocks"], "blocks before its first frame: 16385"),
        (other_bombs.BOMBS["webp, empty chunks"], "chunks: 16385"),
    ],
)
def test_what_can_be_counted_is_refused_at_the_door(make: Callable[[], bytes], found: str) -> None:
    with pytest.raises(InvalidImage) as refused:
        decoding.inspect(make(), LIMITS)

    assert (refused.value.status, refused.value.code) == (422, "too-costly")
    assert refused.value.found == found
    assert str(refused.value.allowed).startswith(found.partition(":")[0])


def test_a_decode_that_takes_too_long_is_ended() -> None:
    data = other_bombs.BOMBS["bmp, one pixel in each row"]()

    with pytest.raises(InvalidImage, match=r"more than 0\.2 s of one core") as refused:
        decoding.decode(data, HURRIED)

    assert refused.value.code == "too-costly"


def test_a_decode_that_takes_too_much_memory_is_ended() -> None:
    data = other_bombs.BOMBS["gif, 40 megapixels"]()
    order = decoder_process.Order(
        20_000_000, 40_000_000, 16, 2.0, None, max_memory_bytes=200_000_000
    )

    with pytest.raises(InvalidImage, match="more than 200 MB of memory") as refused:
        decoder_process.decode(data, order, formats.GIF)

    assert refused.value.code == "too-costly"


def test_a_machine_that_is_too_busy_is_not_the_image_s_fault(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(decoder_process, "DEADLINE_SECONDS", 0.001)

    with pytest.raises(Unavailable, match="too busy") as busy:
        decoding.decode(other_bombs.BOMBS["gif, 40 megapixels"](), LIMITS)

    assert busy.value.code == "busy"


def test_a_costly_image_comes_back_no_larger_than_it_is_needed() -> None:
    data = other_bombs.BOMBS["gif, 40 megapixels"]()
    whole = decoding.inspect(data, LIMITS)

    decoded = decoding.decode(data, LIMITS, min_short_side=256)

    assert whole.is_costly
    assert 256 <= min(decoded.size) <= min(whole.width, whole.height) // 8 + 1


def test_a_decoder_that_dies_is_asked_once_more(monkeypatch: pytest.MonkeyPatch) -> None:
    deaths = iter([b"", b"pixels"])
    monkeypatch.setattr(decoder_process, "_converse", lambda *_: _die_or_answer(next(deaths)))

    assert decoder_process.decode(b"", _order(), formats.PNG).size == (20, 20)


def _die_or_answer(answer: bytes) -> Image.Image | dict[str, str]:
    return Image.new("RGB", (20, 20)) if answer else {}


def _order() -> decoder_process.Order:
    return decoder_process.Order(1, 1, 1, 1.0, None, 1)


@pytest.mark.parametrize("mode", ["RGB", "P", "L"])
def test_a_costly_picture_within_its_budget_has_the_same_pixels(mode: str) -> None:
    picture = pictures.gradient(1200, 800).convert(mode)
    data = pictures.encode(picture, "WEBP", lossless=True)

    decoded = decoding.decode(data, LIMITS)

    assert decoding.inspect(data, LIMITS).is_costly
    assert np.array_equal(np.asarray(decoded), np.asarray(picture.convert("RGB")))


def test_what_is_wrong_with_a_costly_picture_is_told() -> None:
    data = bytearray(pictures.encode(pictures.gradient(1200, 800), "WEBP", lossless=True))
    data[30:300] = bytes(270)

    with pytest.raises(InvalidImage, match="the WEBP file is damaged"):
        decoding.decode(bytes(data), LIMITS)


@pytest.mark.parametrize(
    "data",
    [
        pictures.jpeg(4000, 3000),
        pictures.encode(pictures.gradient(4000, 3000), "JPEG", progressive=True),
        pictures.encode(pictures.gradient(1920, 1080), "PNG"),
        pictures.encode(pictures.gradient(1920, 1080), "WEBP"),
        pictures.encode(pictures.gradient(800, 600), "GIF"),
        pictures.encode(pictures.gradient(800, 600), "BMP"),
    ],
)
def test_an_ordinary_picture_is_decoded_where_it_is(data: bytes) -> None:
    assert not decoding.inspect(data, LIMITS).is_costly


def test_pictures_changed_at_random_are_decoded_or_invalid() -> None:
    findings = decode_fuzz.fuzz(3000, seed=7)

    assert findings.wrong == []
    assert findings.outcomes["decoded"] > 100
