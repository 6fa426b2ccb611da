"""How a bundle reaches the object store, and becomes the current model."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from models.bundle import Bundle
from pipeline.ids import MODEL_BUCKET
from pipeline.manifest import CURRENT_KEY, LABELS_FILE, MANIFEST_FILE, MODEL_FILE
from pipeline.settings import Settings
from pipeline.storage import ObjectStore

_CONTENT_TYPES = {
    MODEL_FILE: "application/octet-stream",
    LABELS_FILE: "text/plain; charset=utf-8",
    MANIFEST_FILE: "application/json",
}

# A model is a hundred times an image: the data path's timeout is not for it.
_TIMEOUT_SECONDS = 60.0


def publish(bundle: Bundle, environment: Mapping[str, str]) -> None:
    """Write the bundle, then name it the current model.

    Raises:
        SettingsError: the environment does not say where the store is.
        Unavailable: the store did not confirm it.
    """
    settings = Settings.from_env(environment)
    store = ObjectStore(dataclasses.replace(settings, store_timeout_seconds=_TIMEOUT_SECONDS))
    for file, data in bundle.files.items():
        store.put(MODEL_BUCKET, bundle.manifest.key(file), data, _CONTENT_TYPES[file])
    model_id = bundle.manifest.model_id.encode()
    store.put(MODEL_BUCKET, CURRENT_KEY, model_id, "text/plain; charset=utf-8")
