"""What is stored of images that were looked at: the pictures the model saw, then the results."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

import answers
from engine import Decoded, Seen
from fetching import refused_by_store
from pipeline import ids
from pipeline.errors import InvalidImage, Refused, Unavailable
from pipeline.events.cloudevents import ImageUploaded
from pipeline.ids import PROCESSED_BUCKET
from pipeline.models.manifest import Manifest
from pipeline.storage.cache import ResultKey
from pipeline.storage.object_store import ObjectStore
from pipeline.storage.results import Results
from processed_picture import picture_jpeg

logger = logging.getLogger(__name__)

Saved = TypeVar("Saved")

# What is known of one image: its stored result, or what stood in the way.
ResultOrError = bytes | InvalidImage | Unavailable

# Enough for one request to be worth it. A kill undoes what is looked at and not stored yet: one
# chunk that is being filled, and those being stored.
CHUNK_IMAGES = 8
_CHUNKS = 2


@dataclass(frozen=True)
class Looked:
    """One image that was looked at, and with which model."""

    event: ImageUploaded
    seen: Seen
    manifest: Manifest

    @property
    def key(self) -> ResultKey:
        """Under what it was asked for: the model its job is pinned to."""
        return key_of(self.event)

    @property
    def own_key(self) -> ResultKey:
        """Under what its result is filed: the model that looked at it."""
        return self.event.tenant_id, self.event.image_id, self.manifest.model_id


class Storing:
    """Stores chunks in threads of its own, a bounded number at once.

    A chunk's pictures are stored while the model looks at them, its results when they are: who sees
    a result finds its picture.
    """

    def __init__(self, store: ObjectStore, results: Results) -> None:
        self._store = store
        self._results = results
        self._pool = ThreadPoolExecutor(_CHUNKS, thread_name_prefix="store")
        self._room = threading.Semaphore(2 * _CHUNKS)

    def begin_pictures(self, pictures: Mapping[str, Decoded]) -> Future[None]:
        """Begin to store a chunk's pictures by their keys; waits until there is room.

        The future ends with Unavailable if MinIO did not confirm them.
        """
        return self._begin(partial(self._save_pictures, pictures))

    def begin_results(
        self, chunk: Sequence[Looked], pictures: Future[None]
    ) -> Future[dict[ResultKey, ResultOrError]]:
        """Begin to store a chunk's results once its pictures are; waits until there is room.

        The future tells of each image which result is stored, or that MinIO did not confirm it.
        """
        return self._begin(partial(self._save_results, chunk, pictures))

    def close(self) -> None:
        """Finish what is being stored."""
        self._pool.shutdown()

    def _begin(self, save: Callable[[], Saved]) -> Future[Saved]:
        self._room.acquire()
        try:
            saved = self._pool.submit(save)
        except BaseException:
            self._room.release()
            raise
        saved.add_done_callback(lambda _: self._room.release())
        return saved

    def _save_pictures(self, pictures: Mapping[str, Decoded]) -> None:
        encoded = {key: picture_jpeg(each.picture) for key, each in pictures.items()}
        self._store.put_many(PROCESSED_BUCKET, encoded, "image/jpeg")

    def _save_results(
        self, chunk: Sequence[Looked], pictures: Future[None]
    ) -> dict[ResultKey, ResultOrError]:
        try:
            # Of this chunk, and so begun before: there is a thread at it, or it has ended.
            pictures.result()
            saved = self._results.save_many({each.own_key: _result(each) for each in chunk})
            # The model that a job was accepted under is gone: the job is answered under that name
            # all the same, and the body says which model it really was.
            strays = {each.key: saved[each.own_key] for each in chunk if each.key != each.own_key}
            saved |= self._results.save_many(strays)
        except Unavailable as error:
            return {each.key: error for each in chunk}
        except Refused as error:
            if len(chunk) > 1:
                raise  # the batch fails, and is asked for again image by image
            return {chunk[0].key: refused_by_store(error)}
        for each in chunk:
            label = each.seen.labels[0].label
            names = {"image_id": each.event.image_id, "job_id": each.event.job_id, "label": label}
            logger.info("classified", extra=names)
        return {each.key: saved[each.key] for each in chunk}


def key_of(event: ImageUploaded) -> ResultKey:
    """Name what is looked at once: an image under the model its job is pinned to."""
    return event.tenant_id, event.image_id, event.model_id


def picture_key(event: ImageUploaded, manifest: Manifest) -> str:
    """Name the picture that a model sees of an image."""
    return ids.processed_key(event.tenant_id, event.image_id, manifest.preprocessing_name)


def _result(looked: Looked) -> bytes:
    result = answers.result_of(looked.event, looked.seen, looked.manifest)
    return json.dumps(result, ensure_ascii=False, separators=(",", ":")).encode()
