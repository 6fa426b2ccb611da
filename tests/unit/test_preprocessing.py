"""How an image becomes the model's array."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image, ImageOps

from pipeline.images import decoding
from pipeline.models.manifest import Input, Preprocessing
from preprocessing import preprocess
from tests import pictures
from tests.samples import MANIFEST

LIMITS = decoding.Limits(max_bytes=20_000_000, max_pixels=40_000_000, min_side_pixels=16)


def ramp(width: int, height: int) -> Image.Image:
    """Make a smooth picture whose red tells the column and green the row."""
    y, x = np.mgrid[0:height, 0:width]
    channels = np.stack([255 * x / width, 255 * y / height, np.full_like(x, 40)], axis=2)
    return Image.fromarray(np.rint(channels).astype(np.uint8))


@pytest.mark.parametrize("size", [(640, 480), (480, 640), (256, 256), (100, 90)])
def test_picture_is_that_of_resizing_the_short_side_and_cropping_the_centre(
    size: tuple[int, int],
) -> None:
    image = ramp(*size)

    picture = preprocess(image, MANIFEST).picture

    scale = 256 / min(size)
    resized = image.resize(
        (round(size[0] * scale), round(size[1] * scale)), Image.Resampling.BILINEAR
    )
    left, top = (resized.width - 224) / 2, (resized.height - 224) / 2
    cropped = resized.crop((round(left), round(top), round(left) + 224, round(top) + 224))
    difference = np.asarray(picture, np.int64) - np.asarray(cropped, np.int64)
    assert picture.size == (224, 224)
    assert np.abs(difference).max() <= 2


def test_array_is_the_picture_in_the_range_minus_one_to_one() -> None:
    picture, array = preprocess(ramp(300, 300), MANIFEST)

    assert array.shape == (1, 224, 224, 3)
    assert array.dtype == np.float32
    assert np.array_equal(np.rint((array[0] + 1) * 127.5), np.asarray(picture))


@pytest.mark.parametrize(
    ("scale", "darkest", "lightest"),
    [("minus-one-to-one", -1, 1), ("zero-to-one", 0, 1), ("none", 0, 255)],
)
def test_scale_brings_black_and_white_to_the_ends(
    scale: str, darkest: float, lightest: float
) -> None:
    manifest = replace(MANIFEST, preprocessing=Preprocessing(scale, 0.875, 512))

    black = preprocess(Image.new("RGB", (32, 32), "black"), manifest).array
    white = preprocess(Image.new("RGB", (32, 32), "white"), manifest).array

    assert (black.min(), black.max()) == (darkest, darkest)
    assert (white.min(), white.max()) == (lightest, lightest)


def test_grey_model_gets_one_channel() -> None:
    manifest = replace(MANIFEST, input=Input(28, 28, 1))

    picture, array = preprocess(Image.new("RGB", (60, 40), (255, 0, 0)), manifest)

    assert picture.mode == "L"
    assert array.shape == (1, 28, 28, 1)
    assert array[0, 0, 0, 0] == pytest.approx(76 / 127.5 - 1)


def test_oblong_model_gets_height_and_width_the_right_way_round() -> None:
    manifest = replace(MANIFEST, input=Input(30, 60, 3))

    picture, array = preprocess(ramp(200, 200), manifest)

    assert picture.size == (60, 30)
    assert array.shape == (1, 30, 60, 3)


def test_picture_smaller_than_the_model_is_enlarged() -> None:
    assert preprocess(ramp(16, 16), MANIFEST).picture.size == (224, 224)


def test_crop_of_one_shows_the_whole_short_side() -> None:
    manifest = replace(MANIFEST, preprocessing=Preprocessing("none", 1.0, 448))

    array = preprocess(ramp(448, 448), manifest).array

    assert array[0, 0, 0, 0] < 2
    assert array[0, -1, -1, 0] > 252


def photo(width: int, height: int) -> bytes:
    """Make a JPEG with detail at every size, the same each time."""
    noise = np.random.default_rng(7)
    image = Image.new("RGB", (width, height), "grey")
    for side in (12, 48, 192, 768):
        pixels = noise.integers(0, 256, (side, side, 3), np.uint8)
        layer = Image.fromarray(pixels).resize((width, height), Image.Resampling.BICUBIC)
        image = Image.blend(image, layer, 0.4)
    return pictures.encode(image, "JPEG")


def test_jpeg_decoded_at_a_quarter_differs_less_from_a_whole_one_than_if_only_resized() -> None:
    data = photo(2800, 2100)
    whole, quarter = decoding.decode(data, LIMITS), decoding.decode(data, LIMITS, 512)

    seen, resized = (
        [np.asarray(each, np.float32) for each in both]
        for both in (
            [preprocess(image, MANIFEST).array * 127.5 for image in (whole, quarter)],
            [
                ImageOps.fit(image, (224, 224), Image.Resampling.BILINEAR, bleed=1 / 16)
                for image in (whole, quarter)
            ],
        )
    )

    assert (whole.size, quarter.size) == ((2800, 2100), (700, 525))
    assert np.abs(seen[0] - seen[1]).mean() < 0.6 * np.abs(resized[0] - resized[1]).mean()


def test_large_picture_is_its_array_rounded() -> None:
    picture, array = preprocess(ramp(600, 520), MANIFEST)

    values = (array[0] + 1) * 127.5
    assert np.array_equal(np.rint(values), np.asarray(picture))
    assert not np.allclose(values, np.rint(values), atol=0.01)


@pytest.mark.parametrize("channels", [1, 3])
def test_large_picture_with_sharp_edges_stays_in_the_range(channels: int) -> None:
    manifest = replace(
        MANIFEST,
        input=Input(30, 30, channels),
        preprocessing=Preprocessing("zero-to-one", 1.0, 64, "bicubic"),
    )
    stripes = Image.fromarray(np.tile(np.repeat([0, 255], 20).astype(np.uint8), (400, 10)))

    picture, array = preprocess(stripes.convert("RGB"), manifest)

    assert (array.min(), array.max()) == (0, 1)
    assert array.shape == (1, 30, 30, channels)
    assert picture.size == (30, 30)


@pytest.mark.parametrize("size", [(4001, 600), (600, 4001)])
@pytest.mark.parametrize("model", [(30, 30), (30, 60), (60, 30)])
def test_long_picture_is_seen_as_if_all_of_it_were_resized(
    size: tuple[int, int], model: tuple[int, int]
) -> None:
    manifest = replace(MANIFEST, input=Input(*model, 3))
    image = Image.effect_noise(size, 90).convert("RGB")

    array = preprocess(image, manifest).array

    height, width = model
    whole = ImageOps.fit(
        image.getchannel(0).convert("F"), (width, height), Image.Resampling.BILINEAR, bleed=1 / 16
    )
    assert np.allclose((array[0, ..., 0] + 1) * 127.5, np.asarray(whole), atol=0.01)
