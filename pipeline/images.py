"""How bytes become an RGB image, and how large an image may be."""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from io import BytesIO

from PIL import Image, ImageOps

from pipeline import formats
from pipeline.errors import InvalidImage
from pipeline.settings import Settings

# Pillow's own bomb check only warns, at another size; the limit here is ours and is checked first.
Image.MAX_IMAGE_PIXELS = None

# What Pillow's decoders raise on damaged data.
_DECODER_ERRORS = (OSError, SyntaxError, ValueError, IndexError, struct.error, zlib.error)


@dataclass(frozen=True)
class Limits:
    """How large an image may be."""

    max_bytes: int
    max_pixels: int
    min_side_pixels: int

    @classmethod
    def from_settings(cls, settings: Settings) -> Limits:
        """Take the limits out of the settings."""
        return cls(
            settings.max_image_bytes, settings.max_image_pixels, settings.min_image_side_pixels
        )


@dataclass(frozen=True)
class ImageInfo:
    """What the header says; width and height in pixels, before EXIF rotation."""

    format: formats.Format
    width: int
    height: int


def inspect(data: bytes, limits: Limits) -> ImageInfo:
    """Check an upload from its header and end marker, decoding nothing.

    Raises:
        InvalidImage: 400 empty, 413 too many bytes, 415 not an allowed format, 422 damaged, cut
            off, too many pixels or too small.
    """
    if not data:
        raise InvalidImage(
            "the body is empty: send one image file", code="empty-body", status=400, found=0
        )
    if len(data) > limits.max_bytes:
        raise InvalidImage(
            f"the image is {len(data):,} bytes; the limit is {limits.max_bytes:,}",
            code="image-too-large",
            status=413,
            found=len(data),
            allowed=limits.max_bytes,
        )
    kind = formats.identify(data)
    width, height = formats.measure(kind, data)
    _check_size(width, height, limits)
    return ImageInfo(kind, width, height)


def decode(data: bytes, limits: Limits, min_short_side: int | None = None) -> Image.Image:
    """Decode the first frame as an upright RGB image, transparency laid on white.

    Args:
        min_short_side: a JPEG may be decoded at 1/2, 1/4 or 1/8 of its size as long as its short
            side keeps this many pixels; None decodes it whole.

    Raises:
        InvalidImage: the file is damaged, or beyond the limits.
    """
    info = inspect(data, limits)
    try:
        image = Image.open(BytesIO(data), formats=[info.format.name])
        _check_size(*image.size, limits)  # a GIF's first frame may exceed its screen
        if min_short_side is not None and info.format is formats.JPEG:
            image.draft(None, (min_short_side, min_short_side))
        image.load()
        ImageOps.exif_transpose(image, in_place=True)
        return _on_white(_to_8_bit(image))
    except _DECODER_ERRORS as error:
        raise InvalidImage(
            f"the {info.format.name} file is damaged: {error}", code="damaged-image"
        ) from error


def _check_size(width: int, height: int, limits: Limits) -> None:
    if width * height > limits.max_pixels:
        raise InvalidImage(
            f"the image is {width} × {height} = {width * height / 1e6:.1f} MP;"
            f" the limit is {limits.max_pixels / 1e6:g} MP",
            code="too-many-pixels",
            found=width * height,
            allowed=limits.max_pixels,
        )
    if min(width, height) < limits.min_side_pixels:
        raise InvalidImage(
            f"the image is {width} × {height} pixels;"
            f" the smallest allowed side is {limits.min_side_pixels}",
            code="image-too-small",
            found=min(width, height),
            allowed=limits.min_side_pixels,
        )


def _to_8_bit(image: Image.Image) -> Image.Image:
    """Scale 16-bit grey to 8 bits: `convert` would clip it to white instead."""
    if image.mode == "I" or image.mode.startswith("I;16"):
        return image.convert("I").point(lambda value: value * (1 / 257)).convert("L")
    return image


def _on_white(image: Image.Image) -> Image.Image:
    if not image.has_transparency_data:
        return image if image.mode == "RGB" else image.convert("RGB")  # convert would copy it
    image = image.convert("RGBA")
    canvas = Image.new("RGBA", image.size, "white")
    canvas.alpha_composite(image)
    return canvas.convert("RGB")
