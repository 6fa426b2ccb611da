"""What is taken for an image, and what becomes of its pixels."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image

from pipeline.errors import InvalidImage
from pipeline.images import decoding
from tests import pictures

LIMITS = decoding.Limits(max_bytes=20_000_000, max_pixels=40_000_000, min_side_pixels=16)
RGB = pictures.gradient()


@pytest.mark.parametrize(
    ("kind", "mime_type", "extension"),
    [
        ("JPEG", "image/jpeg", "jpg"),
        ("PNG", "image/png", "png"),
        ("WEBP", "image/webp", "webp"),
        ("GIF", "image/gif", "gif"),
        ("BMP", "image/bmp", "bmp"),
    ],
)
def test_every_allowed_format_is_known_by_its_bytes(
    kind: str, mime_type: str, extension: str
) -> None:
    info = decoding.inspect(pictures.encode(RGB, kind), LIMITS)

    assert (info.format.mime_type, info.format.extension) == (mime_type, extension)
    assert (info.width, info.height) == (96, 64)


@pytest.mark.parametrize("options", [{"lossless": True}, {"exact": True, "exif": b"Exif\0\0MM\0*"}])
def test_every_kind_of_webp_is_measured(options: dict[str, object]) -> None:
    info = decoding.inspect(pictures.encode(RGB.convert("RGBA"), "WEBP", **options), LIMITS)

    assert (info.width, info.height) == (96, 64)


def test_a_progressive_jpeg_with_a_thumbnail_is_measured_by_its_own_frame() -> None:
    thumbnail = b"Exif\0\0" + pictures.jpeg(32, 32)
    data = pictures.encode(RGB, "JPEG", progressive=True, exif=thumbnail)

    assert decoding.inspect(data, LIMITS).width == 96


def test_bytes_after_the_end_marker_are_no_damage() -> None:
    assert decoding.inspect(pictures.jpeg() + b"\0" * 100, LIMITS).width == 96


@pytest.mark.parametrize(
    ("data", "status", "code"),
    [
        (b"", 400, "empty-body"),
        (b"I am a text named cat.jpg", 415, "unsupported-format"),
        (b"\0\0\0\x18ftypheic", 415, "unsupported-format"),
        (b"BM is how this text starts, and it is long enough", 422, "truncated-image"),
        (pictures.jpeg()[:-2], 422, "truncated-image"),
        (pictures.jpeg()[:200], 422, "damaged-image"),
        (b"\xff\xd8\xff", 422, "damaged-image"),
        (pictures.encode(RGB, "PNG")[:-8], 422, "truncated-image"),
        (pictures.encode(RGB, "WEBP")[:-1], 422, "truncated-image"),
        (pictures.encode(RGB, "GIF")[:-1], 422, "truncated-image"),
        (pictures.encode(RGB, "BMP")[:-1], 422, "truncated-image"),
        (pictures.png_claiming(8000, 5001), 422, "too-many-pixels"),
        (pictures.png_claiming(15, 100), 422, "image-too-small"),
        (pictures.png_claiming(0, 100), 422, "image-too-small"),
        (pictures.jpeg() + b"\0" * 20_000_000, 413, "image-too-large"),
    ],
)
def test_what_cannot_be_an_image_is_refused_at_the_door(
    data: bytes, status: int, code: str
) -> None:
    with pytest.raises(InvalidImage) as refused:
        decoding.inspect(data, LIMITS)

    assert (refused.value.status, refused.value.code) == (status, code)


def test_a_jpeg_cut_off_behind_its_thumbnail_is_cut_off() -> None:
    data = pictures.encode(RGB, "JPEG", exif=b"Exif\0\0" + pictures.jpeg(32, 32))

    with pytest.raises(InvalidImage, match="cut off"):
        decoding.inspect(data[:-10], LIMITS)


def test_forty_megapixels_are_allowed() -> None:
    assert decoding.inspect(pictures.png_claiming(8000, 5000), LIMITS).height == 5000


def test_a_refusal_says_what_was_found_and_what_is_allowed() -> None:
    with pytest.raises(InvalidImage, match=r"9000 × 5000 = 45.0 MP; the limit is 40 MP"):
        decoding.inspect(pictures.png_claiming(9000, 5000), LIMITS)


def test_damage_inside_is_found_by_decoding() -> None:
    data = pictures.damaged_inside()

    assert decoding.inspect(data, LIMITS).width == 64
    with pytest.raises(InvalidImage, match="damaged"):
        decoding.decode(data, LIMITS)


def _rgba(image: Image.Image) -> Image.Image:
    image = image.convert("RGBA")
    image.putalpha(255)
    return image


LOSSLESS: dict[str, Callable[[Image.Image], bytes]] = {
    "png": lambda image: pictures.encode(image, "PNG"),
    "bmp": lambda image: pictures.encode(image, "BMP"),
    "webp": lambda image: pictures.encode(image, "WEBP", lossless=True),
    "rgba": lambda image: pictures.encode(_rgba(image), "PNG"),
    "rotated by exif": lambda image: pictures.encode(
        image.transpose(Image.Transpose.ROTATE_90), "PNG", exif=_orientation(6)
    ),
}


def _orientation(value: int) -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = value
    return exif


@pytest.mark.parametrize("name", LOSSLESS)
def test_every_lossless_spelling_gives_the_same_pixels(name: str) -> None:
    decoded = decoding.decode(LOSSLESS[name](RGB), LIMITS)

    assert decoded.mode == "RGB"
    assert np.array_equal(np.asarray(decoded), np.asarray(RGB))


def test_sixteen_bit_grey_keeps_its_greys() -> None:
    grey = RGB.convert("L")
    deep = Image.fromarray(np.asarray(grey).astype(np.uint16) * 257)

    decoded = decoding.decode(pictures.encode(deep, "PNG"), LIMITS)

    assert np.array_equal(np.asarray(decoded), np.asarray(grey.convert("RGB")))


@pytest.mark.parametrize("mode", ["P", "1", "L", "LA", "CMYK"])
def test_other_colour_models_come_near_their_rgb_version(mode: str) -> None:
    image = RGB.convert(mode)
    kind = "JPEG" if mode == "CMYK" else "PNG"

    decoded = decoding.decode(pictures.encode(image, kind), LIMITS)

    difference = np.abs(np.asarray(decoded, int) - np.asarray(image.convert("RGB"), int))
    assert difference.mean() < 3


def test_transparency_is_laid_on_white() -> None:
    clear = Image.new("RGBA", (32, 32), (200, 0, 0, 0))

    assert decoding.decode(pictures.encode(clear, "PNG"), LIMITS).getpixel((5, 5)) == (255,) * 3


def test_a_transparent_palette_is_laid_on_white() -> None:
    palette = Image.new("P", (32, 32), 0)
    palette.putpalette([200, 0, 0])

    data = pictures.encode(palette, "GIF", transparency=0)

    assert decoding.decode(data, LIMITS).getpixel((5, 5)) == (255,) * 3


def test_the_first_frame_of_an_animation_counts() -> None:
    frames = [Image.new("RGB", (32, 32), color) for color in ("red", "blue")]
    data = pictures.encode(frames[0], "GIF", save_all=True, append_images=frames[1:])

    assert decoding.decode(data, LIMITS).getpixel((5, 5)) == (255, 0, 0)


def test_a_large_jpeg_is_decoded_smaller_but_not_below_the_wanted_side() -> None:
    decoded = decoding.decode(pictures.jpeg(4096, 2176), LIMITS, min_short_side=512)

    assert min(decoded.size) == 544


def test_a_gif_frame_larger_than_its_screen_is_refused_before_its_pixels() -> None:
    data = bytearray(pictures.encode(RGB.convert("P"), "GIF"))
    frame = data.index(b",", 13 + 3 * 256)  # the image descriptor, behind header and palette
    data[frame + 5 : frame + 9] = b"\xff\xff\xff\xff"

    with pytest.raises(InvalidImage):
        decoding.decode(bytes(data), LIMITS)


@pytest.mark.parametrize("kind", ["JPEG", "GIF", "PNG", "WEBP"])
def test_what_is_decoded_is_pixels_alone(kind: str) -> None:
    """Pillow writes a comment and a profile into what is made of them, if it has room for them."""
    extra = {"comment": b"x" * 60_000, "icc_profile": b"y" * 60_000, "dpi": (72, 72)}
    if kind == "GIF":
        extra = {"comment": b"x" * 100_000}
    data = pictures.encode(RGB.convert("P") if kind == "GIF" else RGB, kind, **extra)

    image = decoding.decode(data, LIMITS)

    assert image.info == {}
