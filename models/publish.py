"""How a bundle reaches the object store, and becomes the current model."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from models.bundle import Bundle
from pipeline.ids import MODEL_BUCKET
from pipeline.models.manifest import CURRENT_KEY, LABELS_FILE, MANIFEST_FILE, MODEL_FILE
from pipeline.settings import Settings
from pipeline.storage.object_store import ObjectStore

_CONTENT_TYPES = {
    MODEL_FILE: "application/octet-stream",
    LABELS_FILE: "text/plain; charset=utf-8",
    MANIFEST_FILE: "application/json",
}

# A model is a hundred times an image: the data path's timeout is not for it.
_TIMEOUT_SECONDS = 60.0


def models_store(settings: Settings) -> ObjectStore:
    """Make a client of the store that is patient enough for models."""
    return ObjectStore(dataclasses.replace(settings, store_timeout_seconds=_TIMEOUT_SECONDS))


def add(bundle: Bundle, store: ObjectStore) -> None:
    """Write the bundle, the manifest last; which model is current does not change.

    Raises:
        Unavailable: the store did not confirm it.
    """
    for file, data in bundle.files.items():
        store.put(MODEL_BUCKET, bundle.manifest.key(file), data, _CONTENT_TYPES[file])


def make_current(model_id: str, store: ObjectStore) -> None:
    """Name the current model: the one for whoever is not told another.

    Raises:
        Unavailable: the store did not confirm it.
    """
    store.put(MODEL_BUCKET, CURRENT_KEY, model_id.encode(), "text/plain; charset=utf-8")


def publish(bundle: Bundle, environment: Mapping[str, str]) -> None:
    """Write the bundle, then name it the current model.

    Raises:
        SettingsError: the environment does not say where the store is.
        Unavailable: the store did not confirm it.
    """
    store = models_store(Settings.from_env(environment))
    add(bundle, store)
    make_current(bundle.manifest.model_id, store)
