"""Results that are there already: in Redis, and in MinIO if they may be."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor

from fetching import refused_by_store
from pipeline.errors import Refused, Unavailable
from pipeline.events.cloudevents import ImageUploaded
from pipeline.storage.cache import ResultKey
from pipeline.storage.results import Results
from storing import ResultOrError, key_of

# Repeated images are few, and their results are sought in the store while others are looked for.
_THREADS = 4


class Finding:
    """Looks for results in threads of its own; safe to call from several."""

    def __init__(self, results: Results) -> None:
        self._results = results
        self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="find")

    def find(self, images: Sequence[ImageUploaded]) -> dict[ResultKey, ResultOrError]:
        """Tell what is known of images; nothing of those that are to be looked at."""
        keys = [key_of(event) for event in images]
        found: dict[ResultKey, ResultOrError] = {}
        sought: list[tuple[ResultKey, Future[ResultOrError | None]]] = []
        for event, cached in zip(images, self._results.find_cached(keys), strict=True):
            if cached is not None:
                found[key_of(event)] = cached
            elif event.duplicate or event.redelivered or event.attempt > 1:
                sought.append((key_of(event), self._pool.submit(self._find_stored, event)))
        stored = ((key, future.result()) for key, future in sought)
        return found | {key: outcome for key, outcome in stored if outcome is not None}

    def close(self) -> None:
        """Finish what is being looked for."""
        self._pool.shutdown()

    def _find_stored(self, event: ImageUploaded) -> ResultOrError | None:
        try:
            return self._results.find_stored(*key_of(event))
        except Unavailable as error:
            return error
        except Refused as error:
            return refused_by_store(error)
