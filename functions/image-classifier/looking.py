"""Decoded images shown to the model, while their pictures are stored, and then their results."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import Future

from engine import Decoded, Engine
from pipeline.events.cloudevents import ImageUploaded
from pipeline.hooks import inferences
from pipeline.storage.cache import ResultKey
from pipeline.storage.object_store import ObjectStore
from pipeline.storage.results import Results
from precedence import Turn
from storing import Looked, ResultOrError, Storing, key_of, picture_key

# Ends when the results are stored; tells of each image which one is, or what stood in the way.
Stored = Future[dict[ResultKey, ResultOrError]]


def stay() -> None:
    """Give way to nobody."""


class Looking:
    """The model's work; whoever gives it any has the turn.

    Attributes:
        turn: at the model.
    """

    def __init__(self, store: ObjectStore, results: Results) -> None:
        self.turn = Turn()
        # What is urgent is stored beside what is not: it waits for nothing of another batch.
        self._storing = {is_urgent: Storing(store, results) for is_urgent in (False, True)}

    def look(
        self,
        engine: Engine,
        chunk: Mapping[ImageUploaded, Decoded],
        give_way: Callable[[], None] = stay,
        *,
        is_urgent: bool = False,
    ) -> Stored:
        """Show a chunk to the model while its pictures are stored, then begin with its results."""
        manifest, storing = engine.manifest, self._storing[is_urgent]
        pictures = storing.begin_pictures(
            {picture_key(event, manifest): decoded for event, decoded in chunk.items()}
        )
        looked = []
        for event, decoded in inferences.noted(chunk, key_of):
            looked.append(Looked(event, engine.infer(decoded), manifest))
            give_way()
        return storing.begin_results(looked, pictures)

    def close(self) -> None:
        """Finish what is being stored."""
        for storing in self._storing.values():
            storing.close()
