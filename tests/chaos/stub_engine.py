"""A model of the in-memory world: what it sees in an image stands in the image's bytes."""

from __future__ import annotations

import numpy as np
from PIL import Image

from engine import Decoded, Engine, Seen
from model import Prediction
from pipeline.errors import InvalidImage
from pipeline.hooks import crashes
from pipeline.images.decoding import ImageInfo
from pipeline.images.formats import JPEG
from pipeline.models.manifest import Input, Manifest, Preprocessing, Source
from tests.chaos.moments import Killed
from tests.chaos.watch import kind_of, verdict

MANIFEST = Manifest(
    name="stub",
    version="1",
    demonstration=False,
    input=Input(16, 16, 3),
    preprocessing=Preprocessing("minus-one-to-one", 0.875, 16),
    output="probabilities",
    digests={"model.tflite": "0" * 64, "labels.txt": "1" * 64},
    source=Source("stub.tflite", "0" * 64),
)
_PICTURE = Image.new("RGB", (16, 16))


class StubEngine(Engine):
    """Sees in every image what its bytes say."""

    manifest = MANIFEST

    def __init__(self) -> None:
        """Load nothing."""

    def inspect(self, data: bytes) -> ImageInfo:
        return ImageInfo(JPEG, 64, 64, seconds=0.0, needs_end=False)

    def decode(self, data: bytes, info: ImageInfo | None = None) -> Decoded:
        kind = kind_of(data)
        if kind == "cursed":
            raise Killed("the classifier, by an image")
        if kind == "poison":
            raise InvalidImage("the JPEG file is damaged", code="damaged-image")
        return Decoded(_PICTURE, np.frombuffer(data, np.uint8), 1.0)

    def infer(self, decoded: Decoded) -> Seen:
        crashes.point("classifier.inferred")
        return Seen([Prediction(verdict(decoded.array.tobytes()), 0.75)], 1.0, 2.0)
