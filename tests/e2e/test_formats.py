"""However a picture is written, it gets the label of its plain RGB version."""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests import pictures
from tests.sending import accepted
from tests.stack import ROOT, Stack

with Image.open(ROOT / "models" / "demonstration" / "example.png") as _example:
    RGB = _example.convert("RGB")


def _exif_rotated(image: Image.Image) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned a quarter clockwise
    turned = image.transpose(Image.Transpose.ROTATE_90)
    return pictures.encode(turned, "JPEG", quality=95, exif=exif)


def _rgba(image: Image.Image) -> bytes:
    opaque = image.convert("RGBA")
    opaque.putalpha(255)
    return pictures.encode(opaque, "PNG")


def _animated_gif(image: Image.Image) -> bytes:
    other = Image.new("RGB", image.size, "white")
    return pictures.encode(image, "GIF", save_all=True, append_images=[other, other])


def _grey_16_bit(image: Image.Image) -> bytes:
    grey = np.asarray(image.convert("L")).astype(np.uint16) * 257
    return pictures.encode(Image.fromarray(grey), "PNG")


WRITTEN: dict[str, Callable[[Image.Image], bytes]] = {
    "RGBA": _rgba,
    "palette": lambda image: pictures.encode(image.quantize(256), "PNG"),
    "CMYK": lambda image: pictures.encode(image.convert("CMYK"), "JPEG", quality=95),
    "EXIF-rotated": _exif_rotated,
    "animated GIF": _animated_gif,
    "WebP": lambda image: pictures.encode(image, "WEBP", quality=95),
    "lossless WebP": lambda image: pictures.encode(image, "WEBP", lossless=True),
    "BMP": lambda image: pictures.encode(image, "BMP"),
    "progressive JPEG": lambda image: pictures.encode(image, "JPEG", quality=95, progressive=True),
}


def _label(stack: Stack, data: bytes) -> str:
    job: Any = stack.finished(accepted(stack, data)["jobId"])
    assert job["status"] == "completed", job
    return str(job["result"]["labels"][0]["label"])


@pytest.mark.parametrize("name", WRITTEN)
def test_it_is_labelled_as_its_plain_rgb_version(stack: Stack, name: str) -> None:
    expected = _label(stack, pictures.encode(RGB, "PNG"))

    assert _label(stack, WRITTEN[name](RGB)) == expected


def test_sixteen_bit_grey_is_labelled_as_eight_bit_grey_in_rgb(stack: Stack) -> None:
    plain = RGB.convert("L").convert("RGB")

    expected = _label(stack, pictures.encode(plain, "PNG"))

    assert _label(stack, _grey_16_bit(RGB)) == expected


def test_the_pictures_are_what_they_are_called() -> None:
    modes = {}
    for name in ("RGBA", "palette", "CMYK"):
        with Image.open(BytesIO(WRITTEN[name](RGB))) as image:
            modes[name] = image.mode

    assert modes == {"RGBA": "RGBA", "palette": "P", "CMYK": "CMYK"}
