"""How bytes become an RGB image, how large an image may be, and how much it may cost."""

from __future__ import annotations

import contextlib
import warnings
from dataclasses import asdict, dataclass
from io import BytesIO

from PIL import ExifTags, Image

from pipeline.errors import EmptyBody, ImageTooLarge, InvalidImage
from pipeline.images import decoder_process, formats, headers
from pipeline.images.whole import expect_whole
from pipeline.settings import Settings

# Pillow's own bomb check only warns, at another size; the limit here is ours and is checked first.
Image.MAX_IMAGE_PIXELS = None
# It warns of damaged metadata, and Python keeps each text for good: a file may have 65,000.
warnings.filterwarnings("ignore", module=r"PIL\.")

# Of one core: what baseline JPEGs of 40 megapixels take at most. What may take longer is decoded
# apart, where it can be ended; that costs it a tenth of a second, and nobody else anything.
ORDINARY_SECONDS = 0.5
# What takes longer than this is decoded beside other images, not before them: more than a photo of
# 12 megapixels, as telephones take them.
QUICK_SECONDS = 0.15

# A JPEG can be decoded at an eighth of its size, not less.
_MOST_REDUCED = 8

_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


@dataclass(frozen=True)
class Limits:
    """How large an image may be, and how long its decoding may take."""

    max_bytes: int
    max_pixels: int
    min_side_pixels: int
    max_decode_seconds: float = Settings.max_decode_seconds

    @classmethod
    def from_settings(cls, settings: Settings) -> Limits:
        """Take the limits out of the settings."""
        return cls(
            settings.max_image_bytes,
            settings.max_image_pixels,
            settings.min_image_side_pixels,
            settings.max_decode_seconds,
        )


@dataclass(frozen=True)
class ImageInfo:
    """What the header says; width and height in pixels, before EXIF rotation.

    Attributes:
        seconds: of one core, that decoding it may take.
        needs_end: a decoder wants the end of the file before it tells any row of pixels.
    """

    format: formats.Format
    width: int
    height: int
    seconds: float
    needs_end: bool

    @property
    def is_costly(self) -> bool:
        """Tell whether it may take longer than any ordinary picture; it is decoded apart."""
        return self.seconds > ORDINARY_SECONDS

    @property
    def is_quick(self) -> bool:
        """Tell whether others may as well wait for it."""
        return self.seconds <= QUICK_SECONDS


def inspect(data: bytes, limits: Limits) -> ImageInfo:
    """Check an upload from its header and the parts of the file, decoding nothing.

    Raises:
        EmptyBody: there are no bytes.
        ImageTooLarge: there are too many.
        UnsupportedFormat: they are of no allowed format.
        InvalidImage: they are damaged, cut off, of too many pixels, too small, or of more parts
            than it could be worth.
    """
    if not data:
        raise EmptyBody("the body is empty: send one image file", found=0)
    if len(data) > limits.max_bytes:
        raise ImageTooLarge(
            f"the image is {len(data):,} bytes; the limit is {limits.max_bytes:,}",
            found=len(data),
            allowed=limits.max_bytes,
        )
    kind = formats.identify(data)
    header = headers.read(kind, data)
    _check_size(header.width, header.height, limits)
    return ImageInfo(kind, header.width, header.height, header.seconds, header.needs_end)


def decode(
    data: bytes,
    limits: Limits,
    min_short_side: int | None = None,
    info: ImageInfo | None = None,
) -> Image.Image:
    """Decode the first frame as an upright RGB image, transparency laid on white.

    A costly one is decoded in a process of its own, which is ended when it takes too long.

    Args:
        min_short_side: a JPEG or a costly image may be decoded at 1/2, 1/4 or 1/8 of its size as
            long as its short side keeps this many pixels; None decodes it whole.
        info: what `inspect` said of the same bytes; None inspects them.

    Raises:
        InvalidImage: the file is damaged, beyond the limits, or costs too much.
    """
    info = info or inspect(data, limits)
    if not info.is_costly:
        # Without the memory here, there may be enough where it is limited for this image alone.
        with contextlib.suppress(MemoryError):
            return decode_here(data, limits, min_short_side, info)
    memory = decoder_process.memory_bytes(limits.max_pixels)
    order = decoder_process.Order(
        **asdict(limits), min_short_side=min_short_side, max_memory_bytes=memory
    )
    return decoder_process.decode(data, order, info.format)


def decode_here(
    data: bytes, limits: Limits, min_short_side: int | None, info: ImageInfo
) -> Image.Image:
    """Decode in this process what `inspect` said this of."""
    kind = info.format
    try:
        image = Image.open(BytesIO(data), formats=[kind.name])
        _check_size(*image.size, limits)  # not what the header said, if Pillow reads it otherwise
        if min_short_side is not None and kind is formats.JPEG:
            image.draft(None, (min_short_side, min_short_side))
        if kind is formats.JPEG and not info.needs_end:
            expect_whole(image, data)
        image.load()
        pixels = _on_white(_to_8_bit(_upright(image)))
        # A comment or a profile would be written into whatever is made of the pixels, or be more
        # than that can hold.
        pixels.info = {}
        return pixels
    except (InvalidImage, MemoryError):
        raise  # how much memory there is says nothing of the image
    except Exception as error:
        # Whatever it is: Pillow's readers are Python, fed with bytes that anybody may have sent.
        raise formats.broken(kind, str(error) or type(error).__name__) from error


def reduced(image: Image.Image, min_short_side: int) -> Image.Image:
    """Average squares of pixels as long as the short side keeps so many pixels."""
    factor = 1
    while factor < _MOST_REDUCED and min(image.size) >= 2 * factor * min_short_side:
        factor *= 2
    return image.reduce(factor) if factor > 1 else image


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


def _upright(image: Image.Image) -> Image.Image:
    """Turn it as EXIF says; ImageOps would also read and write all other tags anew."""
    method = _UPRIGHT.get(image.getexif().get(ExifTags.Base.Orientation, 1))
    return image if method is None else image.transpose(method)


def _to_8_bit(image: Image.Image) -> Image.Image:
    """Scale 16-bit grey to 8 bits: `convert` would clip it to white instead."""
    if image.mode == "I" or image.mode.startswith("I;16"):
        return image.convert("I").point(lambda value: value * (1 / 257)).convert("L")
    return image


def _on_white(image: Image.Image) -> Image.Image:
    if not image.has_transparency_data:
        return image if image.mode == "RGB" else image.convert("RGB")  # convert would copy it
    if image.mode != "RGBA":
        image = image.convert("RGBA")
    canvas = Image.new("RGBA", image.size, "white")
    canvas.alpha_composite(image)
    return canvas.convert("RGB")
