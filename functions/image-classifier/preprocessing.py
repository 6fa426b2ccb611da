"""How an image becomes the array that the model takes."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from pipeline.manifest import Manifest

_RESAMPLE = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}

# From 8-bit values to the model's range: divide by the first, then subtract the second.
_SCALE = {"minus-one-to-one": (127.5, 1.0), "zero-to-one": (255.0, 0.0), "none": (1.0, 0.0)}


class Preprocessed(NamedTuple):
    """What the model sees.

    Attributes:
        picture: 8-bit RGB, or grey for a model with one channel.
        array: the same, float32 (1, height, width, channels) in the model's range, channels last.
    """

    picture: Image.Image
    array: NDArray[np.float32]


def preprocess(image: Image.Image, manifest: Manifest) -> Preprocessed:
    """Bring an RGB image to the model's size and range.

    The short side is resized and the centre cropped, in the same sense as resizing to 256 and
    cropping 224, but in one resize of the part that is kept.

    Source: scaling as in keras.applications.mobilenet_v2.preprocess_input.
    """
    picture = ImageOps.fit(
        image,
        (manifest.input.width, manifest.input.height),
        _RESAMPLE[manifest.preprocessing.resample],
        bleed=(1 - manifest.preprocessing.crop) / 2,
    )
    if manifest.input.channels == 1:
        picture = picture.convert("L")
    return Preprocessed(picture, _scaled(picture, manifest))


def _scaled(picture: Image.Image, manifest: Manifest) -> NDArray[np.float32]:
    shape = (1, manifest.input.height, manifest.input.width, manifest.input.channels)
    divisor, offset = _SCALE[manifest.preprocessing.scale]
    array = np.asarray(picture).reshape(shape).astype(np.float32)
    array /= divisor
    array -= offset
    return array
