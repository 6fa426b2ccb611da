"""How an image becomes the array that the model takes."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from pipeline.images.decoding import reduced
from pipeline.models.manifest import Manifest

_RESAMPLE = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}

# From 8-bit values to the model's range: divide by the first, then subtract the second.
_SCALE = {"minus-one-to-one": (127.5, 1.0), "zero-to-one": (255.0, 0.0), "none": (1.0, 0.0)}


class Preprocessed(NamedTuple):
    """What the model sees.

    Attributes:
        picture: 8-bit RGB, or grey for a model with one channel.
        array: float32 (1, height, width, channels) in the model's range, channels last; that of the
            picture, or before it was rounded to 8 bits.
    """

    picture: Image.Image
    array: NDArray[np.float32]


def preprocess(image: Image.Image, manifest: Manifest) -> Preprocessed:
    """Bring an RGB image to the model's size and range.

    The short side is resized and the centre cropped, in the same sense as resizing to 256 and
    cropping 224, but in one resize of the part that is kept.

    A large image is reduced by a power of two first, as a JPEG is while it is decoded, and resized
    in floating point: rounding to 8 bits is much of what tells a JPEG decoded at a part of its size
    from one decoded whole, and changes labels that lead by little.

    Source: scaling as in keras.applications.mobilenet_v2.preprocess_input.
    """
    if manifest.input.channels == 1:
        image = image.convert("L")
    if min(image.size) < manifest.preprocessing.min_short_side:
        picture = _fit(image, manifest)
        return Preprocessed(picture, _scaled(np.asarray(picture).astype(np.float32), manifest))
    middle = _middle(reduced(image, manifest.preprocessing.min_short_side), manifest)
    bands = [np.asarray(_fit(band.convert("F"), manifest)) for band in middle.split()]
    values = np.stack(bands, axis=-1).clip(0, 255)  # bicubic oversteps
    pixels = np.rint(values).astype(np.uint8)
    picture = Image.fromarray(pixels[..., 0] if manifest.input.channels == 1 else pixels)
    return Preprocessed(picture, _scaled(values, manifest))


def _middle(image: Image.Image, manifest: Manifest) -> Image.Image:
    """Cut what is far from the part that is kept off both ends: floats take four times the room."""
    size = manifest.input
    width = min(image.width, 2 * math.ceil(image.height * size.width / size.height))
    height = min(image.height, 2 * math.ceil(image.width * size.height / size.width))
    # As much at either end: the middle stays where it is.
    left, top = (image.width - width) // 2, (image.height - height) // 2
    if not (left or top):
        return image
    return image.crop((left, top, image.width - left, image.height - top))


def _fit(image: Image.Image, manifest: Manifest) -> Image.Image:
    return ImageOps.fit(
        image,
        (manifest.input.width, manifest.input.height),
        _RESAMPLE[manifest.preprocessing.resample],
        bleed=(1 - manifest.preprocessing.crop) / 2,
    )


def _scaled(values: NDArray[np.float32], manifest: Manifest) -> NDArray[np.float32]:
    """Bring 0 to 255 to the model's range, in place."""
    divisor, offset = _SCALE[manifest.preprocessing.scale]
    values /= divisor
    values -= offset
    size = manifest.input
    return values.reshape(1, size.height, size.width, size.channels)
