"""The picture that lies in processed-images: the one that the model saw, as a JPEG."""

from __future__ import annotations

from io import BytesIO

from PIL import Image

_JPEG_QUALITY = 92


def picture_jpeg(picture: Image.Image) -> bytes:
    """Encode a picture of the model's input size."""
    buffer = BytesIO()
    picture.save(buffer, "JPEG", quality=_JPEG_QUALITY)
    return buffer.getvalue()
