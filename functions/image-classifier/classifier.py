"""References in, stored results out: each image is fetched, looked at and stored once a model."""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from itertools import islice
from typing import Any

import answers
from costly import Costly, busy
from engine import Decoded, Engine, Seen
from fetching import Fetched, Fetching, refused_by_store
from loaded_models import LoadedModels
from pipeline.errors import InvalidImage, Refused, Unavailable
from pipeline.events.cloudevents import ImageUploaded
from pipeline.hooks import crashes, inferences
from pipeline.storage.cache import ResultKey
from pipeline.storage.object_store import ObjectStore
from pipeline.storage.results import Results
from pipeline.telemetry import CLASSIFICATIONS
from precedence import Turn
from storing import CHUNK_IMAGES, Looked, ResultOrError, Storing, picture_key

# Repeated images are few, and their results are sought in the store while others are looked for.
_FIND_THREADS = 4
# Fetching, digesting and inspecting so many takes longer than the model does.
_LARGE_BYTES = 8_000_000
# Batches that are looked at or fetched for it. More would only hold memory.
_BATCHES = 2
# For so long it begins with another costly image: as long as a call is meant to take.
_COSTLY_SECONDS = 4.0


def _stay() -> None:
    """Give way to nobody."""


class Classifier:
    """Classifies batches of references; safe to call from several threads."""

    def __init__(self, engines: LoadedModels, store: ObjectStore, results: Results) -> None:
        self._engines = engines
        self._results = results
        self._fetching = Fetching(store)
        # What is urgent is stored beside what is not: it waits for nothing of another batch.
        self._storing = {is_urgent: Storing(store, results) for is_urgent in (False, True)}
        self._finding = ThreadPoolExecutor(_FIND_THREADS, thread_name_prefix="find")
        # One batch is looked at while the next is fetched.
        self._turns = {
            is_urgent: threading.BoundedSemaphore(_BATCHES) for is_urgent in (False, True)
        }
        self._model = Turn()
        self._costly = Costly()

    def classify(
        self, batch: Sequence[ImageUploaded], *, is_urgent: bool = False
    ) -> list[dict[str, Any]]:
        """Answer for each reference in the order asked; equal images are looked at once.

        Args:
            is_urgent: looked at between the images of a batch that is not.
        """
        images = {_key(event): event for event in reversed(batch)}
        storing: list[Future[dict[ResultKey, ResultOrError]]] = []
        costly: list[ImageUploaded] = []
        large: list[ImageUploaded] = []
        with self._turns[is_urgent]:
            # Not before: what a killed consumer asked for may be done by now, and is not repeated.
            known = [
                each
                for each in images.values()
                if self._costly.knows(each.tenant_id, each.image_id)
            ]
            costly.extend(known)
            outcomes = self._find([each for each in images.values() if each not in known])
            missing: defaultdict[str, list[ImageUploaded]] = defaultdict(list)
            for key, event in images.items():
                if key in outcomes or event in known:
                    continue
                if event.file_size > _LARGE_BYTES:
                    large.append(event)
                else:
                    missing[event.model_id].append(event)
            for model_id, group in missing.items():
                outcomes |= self._classify_group(model_id, group, storing, costly, is_urgent)
        for event in large:
            outcomes |= self._classify_large(event, storing, costly)
        if costly:
            outcomes |= self._classify_costly(costly, storing)
        for stored in storing:
            outcomes |= stored.result()
        crashes.point("classifier.answering")
        return [_answer(event, outcomes[_key(event)]) for event in batch]

    def look(self, data: bytes) -> Seen:
        """Classify bytes under the current model, storing nothing.

        Raises:
            InvalidImage: they are no image that can be decoded.
            Unavailable: they are a costly one, and another is being decoded, or the machine is too
                busy for it.
        """
        engine = self._engines.current
        info = engine.inspect(data)
        if not info.is_costly:
            with self._model.held():
                return engine.infer(engine.decode(data, info))
        with self._costly.turn():
            decoded = engine.decode(data, info)
        with self._model.held():
            return engine.infer(decoded)

    def close(self) -> None:
        """Finish what is being stored."""
        self._finding.shutdown()
        self._fetching.close()
        for storing in self._storing.values():
            storing.close()

    def _find(self, images: Sequence[ImageUploaded]) -> dict[ResultKey, ResultOrError]:
        """Look for results that are there already: in Redis, and in MinIO if they may be."""
        keys = [_key(event) for event in images]
        found: dict[ResultKey, ResultOrError] = {}
        sought: list[tuple[ResultKey, Future[ResultOrError | None]]] = []
        for event, cached in zip(images, self._results.find_cached(keys), strict=True):
            if cached is not None:
                found[_key(event)] = cached
            elif event.duplicate or event.redelivered or event.attempt > 1:
                sought.append((_key(event), self._finding.submit(self._find_stored, event)))
        stored = ((key, future.result()) for key, future in sought)
        return found | {key: outcome for key, outcome in stored if outcome is not None}

    def _find_stored(self, event: ImageUploaded) -> ResultOrError | None:
        try:
            return self._results.find_stored(*_key(event))
        except Unavailable as error:
            return error
        except Refused as error:
            return refused_by_store(error)

    def _classify_group(
        self,
        model_id: str,
        images: list[ImageUploaded],
        storing: list[Future[dict[ResultKey, ResultOrError]]],
        costly: list[ImageUploaded],
        is_urgent: bool,
    ) -> dict[ResultKey, ResultOrError]:
        """Classify images whose jobs are pinned to one model.

        Args:
            storing: takes what is still being stored at the end.
            costly: takes those that nobody is to wait for.

        Returns:
            What stood in the way, of those that are not stored.
        """
        fetched = self._fetching.begin(images)
        outcomes: dict[ResultKey, ResultOrError] = {}
        known = len(costly)
        give_way = _stay if is_urgent else self._model.give_way
        with self._model.held(is_urgent=is_urgent):
            try:
                engine = self._engines.get(model_id)
            except Unavailable as error:
                return {_key(event): error for event in images}
            while chunk := dict(islice(fetched, CHUNK_IMAGES)):
                decoded = _decode(engine, chunk, outcomes, costly, give_way)
                storing.append(self._look(engine, decoded, give_way, is_urgent=is_urgent))
        for event in costly[known:]:
            self._costly.note(event.tenant_id, event.image_id)
        return outcomes

    def _classify_large(
        self,
        event: ImageUploaded,
        storing: list[Future[dict[ResultKey, ResultOrError]]],
        costly: list[ImageUploaded],
    ) -> dict[ResultKey, ResultOrError]:
        """Classify one image for whose bytes no other batch is to wait; see `_classify_group`."""
        ((_, data),) = self._fetching.begin([event])
        if not isinstance(data, bytes):
            return {_key(event): data}
        try:
            with self._model.held():
                engine = self._engines.get(event.model_id)
            info = engine.inspect(data)
            if info.is_costly:
                costly.append(event)
                self._costly.note(event.tenant_id, event.image_id)
                return {}
            with self._model.held():
                storing.append(self._look(engine, {event: engine.decode(data, info)}))
        except (InvalidImage, Unavailable) as error:
            return {_key(event): error}
        return {}

    def _classify_costly(
        self, images: Sequence[ImageUploaded], storing: list[Future[dict[ResultKey, ResultOrError]]]
    ) -> dict[ResultKey, ResultOrError]:
        """Classify images one by one while other batches are looked at.

        Those that have no turn now come again, and cost nobody an attempt: waiting here, they would
        keep calls that others need.
        """
        outcomes: dict[ResultKey, ResultOrError] = {_key(event): busy() for event in images}
        with suppress(Unavailable), self._costly.turn():
            until = time.monotonic() + _COSTLY_SECONDS
            found = self._find(images)
            outcomes |= found
            for event in (event for event in images if _key(event) not in found):
                if time.monotonic() >= until:
                    break
                try:
                    storing.append(self._look_apart(event))
                except (InvalidImage, Unavailable) as error:
                    outcomes[_key(event)] = error
        return outcomes

    def _look_apart(self, event: ImageUploaded) -> Future[dict[ResultKey, ResultOrError]]:
        # Fetched anew: to hold on to all costly ones of a batch would take hundreds of megabytes.
        ((_, data),) = self._fetching.begin([event])
        if not isinstance(data, bytes):
            raise data
        with self._model.held():
            engine = self._engines.get(event.model_id)
        decoded = engine.decode(data)
        with self._model.held():
            return self._look(engine, {event: decoded})

    def _look(
        self,
        engine: Engine,
        chunk: Mapping[ImageUploaded, Decoded],
        give_way: Callable[[], None] = _stay,
        *,
        is_urgent: bool = False,
    ) -> Future[dict[ResultKey, ResultOrError]]:
        """Show a chunk to the model while its pictures are stored, then begin with its results."""
        manifest, storing = engine.manifest, self._storing[is_urgent]
        pictures = storing.begin_pictures(
            {picture_key(event, manifest): decoded for event, decoded in chunk.items()}
        )
        looked = []
        for event, decoded in inferences.noted(chunk, _key):
            looked.append(Looked(event, engine.infer(decoded), manifest))
            give_way()
        return storing.begin_results(looked, pictures)


def _decode(
    engine: Engine,
    chunk: Mapping[ImageUploaded, Fetched],
    failed: dict[ResultKey, ResultOrError],
    costly: list[ImageUploaded],
    give_way: Callable[[], None],
) -> dict[ImageUploaded, Decoded]:
    """Decode what is ordinary; tell the others apart."""
    decoded: dict[ImageUploaded, Decoded] = {}
    for event, data in chunk.items():
        give_way()
        if not isinstance(data, bytes):
            failed[_key(event)] = data
            continue
        try:
            info = engine.inspect(data)
            if info.is_costly:
                costly.append(event)
            else:
                decoded[event] = engine.decode(data, info)
        except (InvalidImage, Unavailable) as error:
            failed[_key(event)] = error
    return decoded


def _key(event: ImageUploaded) -> ResultKey:
    """Name what is looked at once: an image under the model its job is pinned to."""
    return event.tenant_id, event.image_id, event.model_id


def _answer(event: ImageUploaded, outcome: ResultOrError) -> dict[str, Any]:
    if isinstance(outcome, bytes):
        answer = answers.completed(event, outcome)
    else:
        answer = answers.refused(event, outcome)
    CLASSIFICATIONS.labels(answer["status"]).inc()
    return answer
