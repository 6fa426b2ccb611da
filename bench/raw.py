"""RAW: the same bytes, decoding, model and core in one loop, and nothing else."""

from __future__ import annotations

import time

from model import Model
from pipeline import bundles, images
from pipeline.settings import Settings
from pipeline.storage import ObjectStore
from preprocessing import preprocess

_WARM_UP = 20


def raw_cpu_seconds(settings: Settings, store: ObjectStore, photos: list[bytes]) -> float:
    """CPU seconds per image of decoding, preprocessing and inference alone."""
    model = Model.from_files(bundles.read_bundle(store, bundles.current_model_id(settings, store)))
    limits = images.Limits.from_settings(settings)
    short_side = model.manifest.preprocessing.min_short_side

    def classify(photo: bytes) -> None:
        image = images.decode(photo, limits, short_side)
        model.top_k(model.predict(preprocess(image, model.manifest).array), settings.top_k)

    for photo in photos[:_WARM_UP]:
        classify(photo)
    started = time.process_time()
    for photo in photos:
        classify(photo)
    return (time.process_time() - started) / len(photos)
