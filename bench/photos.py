"""Any number of distinct photos: one picture, a nonce in each file."""

from __future__ import annotations

import uuid
from io import BytesIO
from pathlib import Path

from PIL import Image

from tests.pictures import encode, with_nonce

WIDTH, HEIGHT = 500, 375  # pixels: a common size of photos in data sets, about 60 to 130 KB
QUALITY = 95


def distinct(source: Path, count: int) -> list[bytes]:
    """Resize a photo once and write it so often, each time as another file."""
    with Image.open(BytesIO(source.read_bytes())) as image:
        jpeg = encode(image.convert("RGB").resize((WIDTH, HEIGHT)), "JPEG", quality=QUALITY)
    run = uuid.uuid4().hex
    return [with_nonce(jpeg, f"{run}-{number}".encode()) for number in range(count)]
