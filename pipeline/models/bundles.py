"""Model bundles in MinIO: which one is current, and the files of each.

`python -m pipeline.models.bundles` prints the current model's id, or an empty line
when there is none.
"""

from __future__ import annotations

from dataclasses import replace

from pipeline.errors import ModelRefused, Unavailable
from pipeline.ids import MODEL_BUCKET
from pipeline.models.manifest import BUNDLE_FILES, CURRENT_KEY, MANIFEST_FILE, Manifest
from pipeline.settings import Settings
from pipeline.storage.object_store import ObjectStore

_PATIENCE_SECONDS = 30.0


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
    """Read a bundle's files by their names; nothing when it is gone.

    Raises:
        ModelRefused: a file is missing, or the bundle is that of another model.
        Unavailable: MinIO does not answer.
    """
    found = {name: store.get(MODEL_BUCKET, f"{model_id}/{name}") for name in BUNDLE_FILES}
    files = {name: data for name, data in found.items() if data is not None}
    if not files:
        return {}
    missing = [name for name in BUNDLE_FILES if name not in files]
    if missing:
        raise ModelRefused(
            f"{MODEL_BUCKET}/{model_id} holds {', '.join(files)}; expected {', '.join(missing)} too"
        )
    stated = Manifest.from_json(files[MANIFEST_FILE]).model_id
    if stated != model_id:
        raise ModelRefused(f"{MODEL_BUCKET}/{model_id} holds {stated}; expected {model_id}")
    return files


if __name__ == "__main__":
    # A person waits longer than an upload does.
    settings = replace(Settings.of_this_process(), store_timeout_seconds=_PATIENCE_SECONDS)
    print((ObjectStore(settings).get(MODEL_BUCKET, CURRENT_KEY) or b"").decode().strip())
