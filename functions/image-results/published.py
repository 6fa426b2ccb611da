"""Which models were ever published: a result under any other will never come."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from pipeline.errors import NotFound
from pipeline.ids import MODEL_BUCKET
from pipeline.storage.object_store import ObjectStore

# Whoever guesses names costs the store one listing in this time, not a request a guess.
_LIST_EVERY_SECONDS = 1.0


class PublishedModels:
    """Knows the models in MinIO; safe to share between threads.

    What is kept is what MinIO lists, never what clients ask for: it grows with published models.
    """

    def __init__(
        self, store: ObjectStore, current: str, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._store = store
        self._current = current
        self._clock = clock
        self._lock = threading.Lock()
        self._known: frozenset[str] = frozenset()
        self._listed_at: float | None = None

    def require(self, model: str) -> None:
        """Refuse a model that was never published.

        Raises:
            NotFound: it is not in MinIO, or was put there less than a second ago.
            Unavailable: MinIO does not answer.
        """
        if model == self._current or model in self._known:
            return
        if model not in self._listed():
            raise NotFound(
                f"there is no model {model}",
                code="model-not-found",
                found=model,
                allowed="a published model's id",
            )

    def _listed(self) -> frozenset[str]:
        with self._lock:
            now = self._clock()
            if self._listed_at is None or now - self._listed_at >= _LIST_EVERY_SECONDS:
                folders = self._store.folders(MODEL_BUCKET, "")
                self._known = frozenset(folder.removesuffix("/") for folder in folders)
                self._listed_at = now
            return self._known
