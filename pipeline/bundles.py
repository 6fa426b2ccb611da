"""Model bundles in MinIO: which one is current, and the files of each."""

from __future__ import annotations

from pipeline.errors import Unavailable
from pipeline.ids import MODEL_BUCKET
from pipeline.manifest import BUNDLE_FILES, CURRENT_KEY
from pipeline.settings import Settings
from pipeline.storage import ObjectStore


def current_model_id(settings: Settings, store: ObjectStore) -> str:
    """Tell which model to use: the one the settings name, else the one published last.

    Raises:
        Unavailable: none was published, or MinIO does not answer.
    """
    if settings.model_id != CURRENT_KEY:
        return settings.model_id
    published = store.get(MODEL_BUCKET, CURRENT_KEY)
    if published is None:
        raise Unavailable(
            "no model was published; run `python -m models.prepare --publish` or set MODEL_ID"
        )
    return published.decode().strip()


def read_bundle(store: ObjectStore, model_id: str) -> dict[str, bytes]:
    """Read a bundle's files by their names; files that are missing are left out.

    Raises:
        Unavailable: MinIO does not answer.
    """
    files = {name: store.get(MODEL_BUCKET, f"{model_id}/{name}") for name in BUNDLE_FILES}
    return {name: data for name, data in files.items() if data is not None}
