"""Bytes in, labels out: decoding, preprocessing and inference of one image, with their times."""

from __future__ import annotations

import time
from dataclasses import dataclass
from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from model import Model, Prediction
from pipeline.hooks import crashes
from pipeline.images import decoding
from pipeline.models.manifest import Manifest
from pipeline.telemetry import INFERENCE_SECONDS, INFERENCES
from preprocessing import preprocess


@dataclass(frozen=True)
class Decoded:
    """One image, ready to be looked at.

    Attributes:
        picture: 8-bit picture of the model's input size.
        array: the same as the model takes it, float32 (1, height, width, channels).
    """

    picture: Image.Image
    array: NDArray[np.float32]
    decode_milliseconds: float


@dataclass(frozen=True)
class Seen:
    """What the model made of one image.

    Attributes:
        labels: best first.
    """

    labels: list[Prediction]
    decode_milliseconds: float
    infer_milliseconds: float


class Engine:
    """One model with its limits. Not thread-safe: the caller holds a lock, but not to decode."""

    def __init__(self, model: Model, limits: decoding.Limits, top_k: int) -> None:
        self._model = model
        self._limits = limits
        self._top_k = top_k

    @property
    def manifest(self) -> Manifest:
        """What the loaded model says of itself."""
        return self._model.manifest

    def look(self, data: bytes) -> Seen:
        """Classify one image.

        Raises:
            InvalidImage: the bytes are no image that can be decoded.
        """
        return self.infer(self.decode(data))

    def inspect(self, data: bytes) -> decoding.ImageInfo:
        """Look at a file's header and parts, decoding nothing.

        Raises:
            InvalidImage: it can be no image, or a costly one beyond all measure.
        """
        return decoding.inspect(data, self._limits)

    def decode(self, data: bytes, info: decoding.ImageInfo | None = None) -> Decoded:
        """Make the picture that the model is to see; `info` is what `inspect` said of it.

        Raises:
            InvalidImage: the bytes are no image that can be decoded.
        """
        started = time.perf_counter()
        short_side = self.manifest.preprocessing.min_short_side
        image = decoding.decode(data, self._limits, short_side, info)
        picture, array = preprocess(image, self.manifest)
        crashes.point("classifier.decoded")
        return Decoded(picture, array, (time.perf_counter() - started) * 1000)

    def infer(self, decoded: Decoded) -> Seen:
        """Show a picture to the model."""
        started = time.perf_counter()
        scores = self._model.predict(decoded.array)
        seconds = time.perf_counter() - started
        crashes.point("classifier.inferred")
        INFERENCES.inc()
        INFERENCE_SECONDS.observe(seconds)
        labels = self._model.top_k(scores, self._top_k)
        return Seen(labels, decoded.decode_milliseconds, infer_milliseconds=seconds * 1000)

    def warm_up(self) -> None:
        """Run one image through everything, so that the first real one is not the slowest."""
        side = self.manifest.input
        buffer = BytesIO()
        Image.new("RGB", (max(side.width, 64), max(side.height, 64))).save(buffer, "PNG")
        image = decoding.decode(buffer.getvalue(), self._limits)
        self._model.predict(preprocess(image, self.manifest).array)
