"""The way of a batch: references in, stored results out; each image is looked at once a model."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from itertools import islice
from typing import Any

import answers
from costly_images import CostlyImages
from engine import Decoded, Engine, Seen
from fetching import Fetched, Fetching
from finding import Finding
from loaded_models import LoadedModels
from looking import Looking, Stored, stay
from pipeline.errors import InvalidImage, Unavailable
from pipeline.events.cloudevents import ImageUploaded
from pipeline.hooks import crashes
from pipeline.storage.cache import ResultKey
from pipeline.storage.object_store import ObjectStore
from pipeline.storage.results import Results
from pipeline.telemetry import CLASSIFICATIONS
from slow_images import PutAside, SlowImages, is_large, put_aside
from storing import CHUNK_IMAGES, ResultOrError, key_of

# Batches that are looked at or fetched for it. More would only hold memory.
_BATCHES = 2


class Classifier:
    """Classifies batches of references; safe to call from several threads."""

    def __init__(self, engines: LoadedModels, store: ObjectStore, results: Results) -> None:
        self._engines = engines
        self._fetching = Fetching(store)
        self._finding = Finding(results)
        self._looking = Looking(store, results)
        self._costly = CostlyImages(engines, self._fetching, self._finding, self._looking)
        self._slow = SlowImages(engines, self._fetching, self._looking, self._costly)
        # One batch is looked at while the next is fetched.
        self._turns = {
            is_urgent: threading.BoundedSemaphore(_BATCHES) for is_urgent in (False, True)
        }

    def classify(
        self, batch: Sequence[ImageUploaded], *, is_urgent: bool = False
    ) -> list[dict[str, Any]]:
        """Answer for each reference in the order asked; equal images are looked at once.

        Args:
            is_urgent: looked at between the images of a batch that is not.
        """
        images = {key_of(event): event for event in reversed(batch)}
        storing: list[Stored] = []
        costly: list[ImageUploaded] = []
        slow: PutAside = {}
        with self._turns[is_urgent]:
            # Not before: what a killed consumer asked for may be done by now, and is not repeated.
            known = [each for each in images.values() if self._costly.knows(each)]
            costly.extend(known)
            outcomes = self._finding.find([each for each in images.values() if each not in known])
            missing: defaultdict[str, list[ImageUploaded]] = defaultdict(list)
            for key, event in images.items():
                if key in outcomes or event in known:
                    continue
                if is_large(event):
                    slow[event] = None
                else:
                    missing[event.model_id].append(event)
            for model_id, group in missing.items():
                outcomes |= self._classify_group(model_id, group, storing, slow, costly, is_urgent)
        outcomes |= self._slow.classify(slow, storing, costly, is_urgent)
        if costly:
            outcomes |= self._costly.classify(costly, storing)
        for stored in storing:
            outcomes |= stored.result()
        crashes.point("classifier.answering")
        return [_answer(event, outcomes[key_of(event)]) for event in batch]

    def look(self, data: bytes) -> Seen:
        """Classify bytes under the current model, storing nothing.

        Raises:
            InvalidImage: they are no image that can be decoded.
            Unavailable: they are a costly one, and another is being decoded, or the machine is too
                busy for it.
        """
        engine = self._engines.current
        info = engine.inspect(data)
        if info.is_costly:
            return self._costly.look(engine, data, info)
        if not info.is_quick:
            return self._slow.look(engine, data, info)
        with self._looking.turn.held():
            return engine.infer(engine.decode(data, info))

    def close(self) -> None:
        """Finish what is being stored."""
        self._finding.close()
        self._fetching.close()
        self._looking.close()

    def _classify_group(
        self,
        model_id: str,
        images: list[ImageUploaded],
        storing: list[Stored],
        slow: PutAside,
        costly: list[ImageUploaded],
        is_urgent: bool,
    ) -> dict[ResultKey, ResultOrError]:
        """Classify images whose jobs are pinned to one model.

        Args:
            storing: takes what is still being stored at the end.
            slow: takes those that no other batch is to wait for.
            costly: takes those that nobody is to wait for.

        Returns:
            What stood in the way, of those that are not stored.
        """
        fetched = self._fetching.begin(images)
        outcomes: dict[ResultKey, ResultOrError] = {}
        known = len(costly)
        give_way = stay if is_urgent else self._looking.turn.give_way
        with self._looking.turn.held(is_urgent=is_urgent):
            try:
                engine = self._engines.get(model_id)
            except Unavailable as error:
                return {key_of(event): error for event in images}
            while chunk := dict(islice(fetched, CHUNK_IMAGES)):
                decoded = _decode(engine, chunk, outcomes, slow, costly, give_way)
                storing.append(self._looking.look(engine, decoded, give_way, is_urgent=is_urgent))
        for event in costly[known:]:
            self._costly.note(event)
        return outcomes


def _decode(
    engine: Engine,
    chunk: Mapping[ImageUploaded, Fetched],
    failed: dict[ResultKey, ResultOrError],
    slow: PutAside,
    costly: list[ImageUploaded],
    give_way: Callable[[], None],
) -> dict[ImageUploaded, Decoded]:
    """Decode what is quick; tell the others apart."""
    decoded: dict[ImageUploaded, Decoded] = {}
    for event, data in chunk.items():
        give_way()
        if not isinstance(data, bytes):
            failed[key_of(event)] = data
            continue
        try:
            info = engine.inspect(data)
            if info.is_costly:
                costly.append(event)
            elif info.is_quick:
                decoded[event] = engine.decode(data, info)
            else:
                put_aside(slow, event, data, info)
        except (InvalidImage, Unavailable) as error:
            failed[key_of(event)] = error
    return decoded


def _answer(event: ImageUploaded, outcome: ResultOrError) -> dict[str, Any]:
    if isinstance(outcome, bytes):
        answer = answers.completed(event, outcome)
    else:
        answer = answers.refused(event, outcome)
    CLASSIFICATIONS.labels(answer["status"]).inc()
    return answer
