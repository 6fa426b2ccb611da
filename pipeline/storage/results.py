"""Where the answer of a job is kept and found: Redis first, MinIO always."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pipeline import strict_json
from pipeline.hooks import crashes
from pipeline.ids import RESULT_BUCKET, failure_key, result_key, retried_key
from pipeline.storage.cache import ResultCache, ResultKey
from pipeline.storage.object_store import ObjectStore

JSON = "application/json"

_MAX_FAILURE_BYTES = 65_536


@dataclass(frozen=True)
class Found:
    """A stored result, byte for byte, and whether it came from the cache."""

    body: bytes
    from_cache: bool

    @property
    def x_cache(self) -> str:
        """The X-Cache header's value."""
        return "hit" if self.from_cache else "miss"


class Results:
    """Completed results by tenant, image and model; failures by tenant and job."""

    def __init__(self, store: ObjectStore, cache: ResultCache) -> None:
        self._store = store
        self._cache = cache

    def find(self, tenant: str, image: str, model: str) -> Found | None:
        """Look up a result; one found in the store is cached again.

        Raises:
            Unavailable: it is not in the cache and the store does not answer.
        """
        cached = self._cache.get(tenant, image, model)
        if cached is not None:
            return Found(cached, from_cache=True)
        stored = self.find_stored(tenant, image, model)
        return Found(stored, from_cache=False) if stored is not None else None

    def look(self, tenant: str, image: str, model: str) -> Found | None:
        """Look up a result in the store alone, and cache nothing.

        Raises:
            Unavailable: the store does not answer.
        """
        stored = self._store.get(RESULT_BUCKET, result_key(tenant, image, model))
        return Found(stored, from_cache=False) if stored is not None else None

    def has(self, tenant: str, image: str, model: str) -> bool:
        """Tell whether there is a result, and cache nothing.

        Raises:
            Unavailable: it is not in the cache and the store does not answer.
        """
        is_cached = self._cache.get(tenant, image, model) is not None
        return is_cached or self.look(tenant, image, model) is not None

    def find_cached(self, keys: Sequence[ResultKey]) -> list[bytes | None]:
        """Look up results in the cache alone, at once."""
        return self._cache.get_many(keys)

    def find_stored(self, tenant: str, image: str, model: str) -> bytes | None:
        """Look up a result in the store alone, and cache it.

        Raises:
            Unavailable: the store does not answer.
        """
        stored = self._store.get(RESULT_BUCKET, result_key(tenant, image, model))
        if stored is not None:
            self._cache.put(tenant, image, model, stored)
        return stored

    def save_many(self, bodies: Mapping[ResultKey, bytes]) -> dict[ResultKey, bytes]:
        """Store each result unless there is one, then cache it; return those that are stored.

        Raises:
            Unavailable: the store did not confirm all of them; some may be stored.
        """
        if not bodies:
            return {}
        keys = {result_key(*key): key for key in bodies}
        created = self._store.create_many(
            RESULT_BUCKET, {name: bodies[key] for name, key in keys.items()}, JSON
        )
        saved = dict(bodies)
        taken = [name for name, is_new in created.items() if not is_new]
        for name, stored in zip(taken, self._store.get_many(RESULT_BUCKET, taken), strict=True):
            saved[keys[name]] = stored or bodies[keys[name]]
        crashes.point("classifier.stored")
        self._cache.put_many(saved)
        crashes.point("classifier.cached")
        return saved

    def find_failure(self, tenant: str, job: str) -> bytes | None:
        """Look up why a job failed; None when it did not.

        Raises:
            Unavailable: the store does not answer.
        """
        return self._store.get(RESULT_BUCKET, failure_key(tenant, job))

    def save_failure(self, tenant: str, job: str, body: bytes) -> None:
        """Store why a job failed; only another reason, as a replayed job may have, replaces one.

        A dead letter that is not acknowledged is made again: its failure is not written twice, and
        not at all when the job is tried anew by then.
        A failure is no result, which would never be overwritten, and a result beats it.

        Raises:
            Unavailable: the store did not confirm it.
        """
        key = failure_key(tenant, job)
        if self._store.create(RESULT_BUCKET, key, body, JSON):
            return
        stored = self._store.get(RESULT_BUCKET, key)
        if stored and _replays(stored) > _replays(body):
            return
        if stored is None or _reason(stored) != _reason(body):
            self._store.put(RESULT_BUCKET, key, body, JSON)

    def replace_failure(self, tenant: str, job: str, body: bytes) -> None:
        """Store that a failed job is tried anew, in the place of why it failed.

        Who is killed before the event is sent leaves this alone behind: where to look for that is
        written first, as a listing does not tell a note from a failure.

        Raises:
            Unavailable: the store did not confirm it.
        """
        self._store.create(RESULT_BUCKET, retried_key(tenant, job), b"{}", JSON)
        self._store.put(RESULT_BUCKET, failure_key(tenant, job), body, JSON)


def _reason(failure: bytes) -> object:
    """Take the code out of a failure; what is none of ours has none, and is replaced."""
    try:
        return strict_json.parse(failure, _MAX_FAILURE_BYTES)["error"]["code"]
    except (ValueError, TypeError, KeyError):
        return None


def _replays(failure: bytes) -> int:
    """Take out how often the job was tried anew; what says nothing of it was not."""
    try:
        return int(strict_json.parse(failure, _MAX_FAILURE_BYTES)["event"]["replays"])
    except (ValueError, TypeError, KeyError):
        return 0
