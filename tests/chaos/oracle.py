"""What the right answer is: the classifier's own engine, asked in this process."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from engine import Engine
from model import Model
from pipeline.images.decoding import Limits
from pipeline.models import bundles
from pipeline.settings import Settings
from pipeline.storage.object_store import ObjectStore
from tests.chaos.pictures import Source
from tests.chaos.traces import Digests


@dataclass(frozen=True)
class Oracle:
    """Expected answers.

    Attributes:
        labels: the top label by (name of the source picture, model id).
        digests: by model id, what a result must say of its model's files.
    """

    labels: Mapping[tuple[str, str], str]
    digests: Mapping[str, Digests]


def ask(store: ObjectStore, model_ids: Iterable[str], sources: Iterable[Source]) -> Oracle:
    """Classify every good source picture under every model that MinIO holds under these ids."""
    pictures = list(sources)
    labels: dict[tuple[str, str], str] = {}
    digests: dict[str, Digests] = {}
    for model_id in model_ids:
        engine = _load(store, model_id)
        digests[model_id] = tuple(sorted(engine.manifest.digests.items()))
        for source in pictures:
            if source.is_good:
                # Numbered as it is sent: the comment must not change what is decoded.
                seen = engine.look(source.numbered("oracle", 0))
                labels[source.name, model_id] = seen.labels[0].label
    return Oracle(labels, digests)


def current_model(store: ObjectStore) -> str:
    """Tell which model is served."""
    return bundles.current_model_id(Settings(), store)


def _load(store: ObjectStore, model_id: str) -> Engine:
    files = bundles.read_bundle(store, model_id)
    assert files, f"MinIO does not hold the model {model_id}"
    settings = Settings()
    return Engine(Model.from_files(files), Limits.from_settings(settings), settings.top_k)
