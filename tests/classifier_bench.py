"""A classifier with fakes all round, whose engine sees in every image what its bytes say."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from PIL import Image

from classifier import Classifier
from engine import Decoded, Engine, Seen
from loaded_models import LoadedModels
from model import Prediction
from pipeline import ids
from pipeline.errors import InvalidImage
from pipeline.events.cloudevents import ImageUploaded
from pipeline.images import decoding, formats
from pipeline.images.decoding import ImageInfo
from pipeline.models.manifest import Input, Manifest, Preprocessing, Source
from pipeline.storage.results import Results
from tests.fakes import MemoryCache, MemoryStore
from tests.samples import uploaded

MANIFEST = Manifest(
    name="stub",
    version="1",
    demonstration=False,
    input=Input(32, 32, 3),
    preprocessing=Preprocessing("minus-one-to-one", 0.875, 512),
    output="probabilities",
    digests={"model.tflite": "0" * 64, "labels.txt": "1" * 64},
    source=Source("stub.tflite", "0" * 64),
)

_SECONDS = {b"slow": decoding.ORDINARY_SECONDS, b"costly": 2 * decoding.ORDINARY_SECONDS}

OLDER = replace(MANIFEST, name="older")

_DEADLINE_SECONDS = 20


class StubEngine(Engine):
    """Sees in every image what its bytes say; `damaged` ones cannot be decoded.

    Attributes:
        on_costly: called while a `costly` one, or a `slow` one, is decoded.
    """

    manifest = MANIFEST

    def __init__(self, manifest: Manifest = MANIFEST) -> None:
        self.manifest = manifest
        self.looked_at: list[bytes] = []
        self.on_costly: Callable[[bytes], None] = lambda data: None

    def inspect(self, data: bytes) -> ImageInfo:
        seconds = next((_SECONDS[kind] for kind in _SECONDS if data.startswith(kind)), 0.0)
        return ImageInfo(formats.JPEG, 64, 64, seconds, needs_end=False)

    def decode(self, data: bytes, info: ImageInfo | None = None) -> Decoded:
        if data.startswith(tuple(_SECONDS)):
            self.on_costly(data)
        if b"damaged" in data:
            raise InvalidImage("the JPEG file is damaged", code="damaged-image")
        return Decoded(Image.new("RGB", (32, 32)), np.frombuffer(data, np.uint8), 1.0)

    def infer(self, decoded: Decoded) -> Seen:
        data = decoded.array.tobytes()
        self.looked_at.append(data)
        return Seen([Prediction(data.decode(), 0.75)], 1.0, 2.0)


class Bench:
    """The classifier and what is around it."""

    def __init__(self) -> None:
        self.engine, self.store, self.cache = StubEngine(), MemoryStore(), MemoryCache()
        results = Results(self.store, self.cache)
        self.others: dict[str, StubEngine] = {}
        engines = LoadedModels(self.engine, self.load)
        self.classifier = Classifier(engines, self.store, results)

    def load(self, model_id: str) -> StubEngine | None:
        """Read another model's bundle from the store."""
        self.store.exists("models", model_id)
        return self.others.get(model_id)

    def store_image(self, text: str, **changes: Any) -> ImageUploaded:
        """Upload an image whose bytes are this text."""
        fields = {"model_id": MANIFEST.model_id, "job_id": f"job-{text}"}
        event = uploaded(text, **{**fields, **changes})
        key = ids.input_key(event.tenant_id, event.image_id, "jpg")
        self.store.put("input-images", key, text.encode(), "image/jpeg")
        return event


class Gate:
    """Keeps whoever decodes a costly image, or a slow one, until it is opened.

    Attributes:
        decoded: those that came by.
        most_at_once: of them.
    """

    def __init__(self, bench: Bench) -> None:
        self.decoded: list[bytes] = []
        self.most_at_once = 0
        self._at_once = 0
        self._reached, self._opened = threading.Event(), threading.Event()
        bench.engine.on_costly = self._pass

    def _pass(self, data: bytes) -> None:
        self.decoded.append(data)
        self._at_once += 1
        self.most_at_once = max(self.most_at_once, self._at_once)
        self._reached.set()
        assert self._opened.wait(_DEADLINE_SECONDS)
        self._at_once -= 1

    def wait_until_reached(self) -> None:
        """Wait until one is being decoded."""
        assert self._reached.wait(_DEADLINE_SECONDS)

    def open(self) -> None:
        """Let it and all that follow pass."""
        self._opened.set()
