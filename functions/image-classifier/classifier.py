"""References in, stored results out: each image is fetched, looked at and stored once a model."""

from __future__ import annotations

import json
import logging
import threading
from collections import defaultdict, deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import answers
from engine import Engine, Seen
from engines import Engines
from pipeline import crashes, ids, inferences
from pipeline.cache import Key
from pipeline.errors import InvalidImage, Unavailable
from pipeline.events import ImageUploaded
from pipeline.ids import INPUT_BUCKET, PROCESSED_BUCKET
from pipeline.manifest import Manifest
from pipeline.results import Results
from pipeline.storage import ObjectStore
from pipeline.telemetry import CLASSIFICATIONS

logger = logging.getLogger(__name__)

# Fetching and storing wait for MinIO, not for this core. They do not share threads: results that
# are being stored must not hold up the images that the core waits for.
_FETCH_THREADS = 4
_STORE_THREADS = 8
# An image may have 20 MB, and several batches are in flight: this bounds what they hold.
_FETCHED_AHEAD = 4
# Looked at and not stored yet: enough to keep the storing threads busy. A kill undoes no more.
_UNSTORED = 2 * _STORE_THREADS

# What is known of one image: its stored result, or what stood in the way.
Outcome = bytes | InvalidImage | Unavailable


class Classifier:
    """Classifies batches of references; safe to call from several threads."""

    def __init__(self, engines: Engines, store: ObjectStore, results: Results) -> None:
        self._engines = engines
        self._store = store
        self._results = results
        # Held for a whole batch: held per image, two batches in flight would end together and
        # leave the core idle while both are stored.
        self._lock = threading.Lock()
        self._fetching = ThreadPoolExecutor(_FETCH_THREADS, thread_name_prefix="fetch")
        self._storing = ThreadPoolExecutor(_STORE_THREADS, thread_name_prefix="store")
        self._unstored = threading.Semaphore(_UNSTORED)

    def classify(self, batch: Sequence[ImageUploaded]) -> list[dict[str, Any]]:
        """Answer for each reference in the order asked; equal images are looked at once."""
        images = {_key(event): event for event in reversed(batch)}
        outcomes = self._find(list(images.values()))
        missing: defaultdict[str, list[ImageUploaded]] = defaultdict(list)
        for key, event in images.items():
            if key not in outcomes:
                missing[event.model_id].append(event)
        for model_id, group in missing.items():
            outcomes |= self._classify_group(model_id, group)
        return [_answer(event, outcomes[_key(event)]) for event in batch]

    def look(self, data: bytes) -> Seen:
        """Classify bytes under the current model, storing nothing.

        Raises:
            InvalidImage: they are no image that can be decoded.
        """
        with self._lock:
            return self._engines.current.look(data)

    def close(self) -> None:
        """Finish what is being stored."""
        self._fetching.shutdown()
        self._storing.shutdown()

    def _find(self, images: list[ImageUploaded]) -> dict[Key, Outcome]:
        """Look for results that are there already: in Redis, and in MinIO if they may be."""
        keys = [_key(event) for event in images]
        found: dict[Key, Outcome] = {}
        sought: list[tuple[Key, Future[Outcome | None]]] = []
        for event, cached in zip(images, self._results.find_cached(keys), strict=True):
            if cached is not None:
                found[_key(event)] = cached
            elif event.duplicate or event.redelivered or event.attempt > 1:
                sought.append((_key(event), self._fetching.submit(self._find_stored, event)))
        stored = ((key, future.result()) for key, future in sought)
        return found | {key: outcome for key, outcome in stored if outcome is not None}

    def _find_stored(self, event: ImageUploaded) -> Outcome | None:
        try:
            return self._results.find_stored(*_key(event))
        except Unavailable as error:
            return error

    def _classify_group(self, model_id: str, images: list[ImageUploaded]) -> dict[Key, Outcome]:
        """Classify images whose jobs are pinned to one model."""
        fetched = self._fetch_ahead(images)
        with self._lock:
            try:
                engine = self._engines.get(model_id)
            except Unavailable as error:
                return {_key(event): error for event in images}
            stored = [(event, self._look_and_store(engine, event, data)) for event, data in fetched]
        return {_key(event): future.result() for event, future in stored}

    def _fetch_ahead(
        self, images: Sequence[ImageUploaded]
    ) -> Iterator[tuple[ImageUploaded, Future[bytes]]]:
        """Fetch a few images ahead of the one being looked at: enough to never wait, no more."""
        ahead: deque[tuple[ImageUploaded, Future[bytes]]] = deque()
        for event in images:
            ahead.append((event, self._fetching.submit(self._fetch, event)))
            if len(ahead) > _FETCHED_AHEAD:
                yield ahead.popleft()
        yield from ahead

    def _fetch(self, event: ImageUploaded) -> bytes:
        key = ids.input_key(event.tenant_id, event.image_id, event.extension)
        data = self._store.get(INPUT_BUCKET, key)
        if data is None:
            raise InvalidImage("the stored image is gone", code="image-missing")
        if ids.image_id(data) != event.image_id:
            raise InvalidImage("the stored image is not the one sent", code="image-changed")
        crashes.point("classifier.fetched")
        return data

    def _look_and_store(
        self, engine: Engine, event: ImageUploaded, data: Future[bytes]
    ) -> Future[Outcome]:
        self._unstored.acquire()
        saved: Future[Outcome] = Future()
        try:
            body = data.result()
            inferences.note(*_key(event))
            seen = engine.look(body)
            saved = self._storing.submit(self._save, event, seen, engine.manifest)
        except (InvalidImage, Unavailable) as error:
            saved.set_result(error)
        except BaseException:
            self._unstored.release()
            raise
        saved.add_done_callback(lambda _: self._unstored.release())
        return saved

    def _save(self, event: ImageUploaded, seen: Seen, manifest: Manifest) -> Outcome:
        """Store the picture, then the result, then cache it."""
        tenant, image = event.tenant_id, event.image_id
        key = ids.processed_key(tenant, image, manifest.preprocessing_name)
        body = _dump(answers.result_of(event, seen, manifest))
        try:
            self._store.put(PROCESSED_BUCKET, key, seen.picture_jpeg(), "image/jpeg")
            saved = self._results.save(tenant, image, manifest.model_id, body)
            if event.model_id != manifest.model_id:
                # The model that the job was accepted under is gone: the job is answered under that
                # name all the same, and the body says which model it really was.
                saved = self._results.save(tenant, image, event.model_id, saved)
        except Unavailable as error:
            return error
        names = {"image_id": image, "job_id": event.job_id, "label": seen.labels[0].label}
        logger.info("classified", extra=names)
        return saved


def _key(event: ImageUploaded) -> Key:
    """Name what is looked at once: an image under the model its job is pinned to."""
    return event.tenant_id, event.image_id, event.model_id


def _answer(event: ImageUploaded, outcome: Outcome) -> dict[str, Any]:
    if isinstance(outcome, bytes):
        answer = answers.completed(event, outcome)
    else:
        answer = answers.refused(event, outcome)
    CLASSIFICATIONS.labels(answer["status"]).inc()
    return answer


def _dump(result: dict[str, Any]) -> bytes:
    return json.dumps(result, ensure_ascii=False, separators=(",", ":")).encode()
