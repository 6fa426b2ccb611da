"""What every peer does with an image: our decoding, our engine and our store, on the same model."""

from __future__ import annotations

import json
import os
from typing import Any

import answers
from engine import Engine
from model import Model
from pipeline.events import cloudevents
from pipeline.ids import (
    INPUT_BUCKET,
    PROCESSED_BUCKET,
    RESULT_BUCKET,
    input_key,
    processed_key,
    result_key,
)
from pipeline.images.decoding import Limits
from pipeline.models import bundles
from pipeline.settings import Settings
from pipeline.storage.object_store import ObjectStore
from processed_picture import picture_jpeg


class Work:
    """One warm engine with one thread, and a client of MinIO. For one thread at a time."""

    def __init__(self) -> None:
        settings = Settings.from_env(os.environ)
        self._store = ObjectStore(settings)
        files = bundles.read_bundle(self._store, bundles.current_model_id(settings, self._store))
        limits = Limits.from_settings(settings)
        self._engine = Engine(Model.from_files(files), limits, settings.top_k)
        self._engine.warm_up()

    def labels(self, image: bytes) -> list[dict[str, Any]]:
        """Classify one image."""
        return answers.labels_of(self._engine.look(image))

    def store(self, raw: bytes) -> bytes:
        """Classify the image that an event names, store what ours stores; return the result event.

        Of what ours does this leaves out the cache, the search for a result that is there already
        and the check of the image's digest.
        """
        event = cloudevents.decode_uploaded(raw)
        names = event.tenant_id, event.image_id
        data = self._store.get(INPUT_BUCKET, input_key(*names, event.extension))
        if data is None:
            raise LookupError(f"{event.storage_path} is not there")
        decoded, manifest = self._engine.decode(data), self._engine.manifest
        seen = self._engine.infer(decoded)
        picture = processed_key(*names, manifest.preprocessing_name)
        self._store.put(PROCESSED_BUCKET, picture, picture_jpeg(decoded.picture), "image/jpeg")
        result = answers.result_of(event, seen, manifest)
        key, body = result_key(*names, event.model_id), json.dumps(result).encode()
        self._store.put(RESULT_BUCKET, key, body, "application/json")
        return cloudevents.encode_classified(event, result, f"{RESULT_BUCKET}/{key}")
