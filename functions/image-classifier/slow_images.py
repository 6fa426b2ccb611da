"""The way of an image that takes long, to fetch or to decode: no other batch waits for it."""

from __future__ import annotations

from costly_images import CostlyImages
from engine import Engine, Seen
from fetching import Fetching
from loaded_models import LoadedModels
from looking import Looking, Stored
from pipeline.errors import InvalidImage, Unavailable
from pipeline.events.cloudevents import ImageUploaded
from pipeline.images.decoding import ImageInfo
from pipeline.storage.cache import ResultKey
from precedence import Turn
from storing import ResultOrError, key_of

# Fetching, digesting and inspecting so many takes longer than the model does.
_LARGE_BYTES = 8_000_000
# Of a batch, until it is their turn; the others are fetched again.
_HELD_BYTES = 8_000_000

# Bytes, and what was found in them.
Inspected = tuple[bytes, ImageInfo]
# Where there was room for it.
PutAside = dict[ImageUploaded, Inspected | None]


def is_large(event: ImageUploaded) -> bool:
    """Tell whether an image is slow whatever it holds."""
    return event.file_size > _LARGE_BYTES


def put_aside(images: PutAside, event: ImageUploaded, data: bytes, info: ImageInfo) -> None:
    """Note an image that was fetched, with its bytes where there is room for them."""
    held = sum(len(each[0]) for each in images.values() if each)
    images[event] = (data, info) if held + len(data) <= _HELD_BYTES else None


class SlowImages:
    """Classifies slow images beside the batches; safe to call from several threads."""

    def __init__(
        self, engines: LoadedModels, fetching: Fetching, looking: Looking, costly: CostlyImages
    ) -> None:
        self._engines = engines
        self._fetching = fetching
        self._looking = looking
        self._costly = costly
        # At decoding, one at a time: that may take 160 MB.
        self._turn = Turn()

    def classify(
        self,
        images: PutAside,
        storing: list[Stored],
        costly: list[ImageUploaded],
        is_urgent: bool,
    ) -> dict[ResultKey, ResultOrError]:
        """Classify images one by one.

        Args:
            storing: takes what is still being stored at the end.
            costly: takes those that turn out to be.

        Returns:
            What stood in the way, of those that are not stored.
        """
        failed: dict[ResultKey, ResultOrError] = {}
        for event in list(images):
            held = images.pop(event)
            try:
                self._classify_one(event, held, storing, costly, is_urgent)
            except (InvalidImage, Unavailable) as error:
                failed[key_of(event)] = error
        return failed

    def look(self, engine: Engine, data: bytes, info: ImageInfo) -> Seen:
        """Classify bytes, storing nothing.

        Raises:
            InvalidImage: they cannot be decoded.
        """
        with self._turn.held():
            decoded = engine.decode(data, info)
        with self._looking.turn.held():
            return engine.infer(decoded)

    def _classify_one(
        self,
        event: ImageUploaded,
        held: Inspected | None,
        storing: list[Stored],
        costly: list[ImageUploaded],
        is_urgent: bool,
    ) -> None:
        data = held[0] if held else self._fetching.one(event)
        with self._looking.turn.held(is_urgent=is_urgent):
            engine = self._engines.get(event.model_id)
        info = held[1] if held else engine.inspect(data)
        if info.is_costly:
            costly.append(event)
            self._costly.note(event, data)
            return
        with self._turn.held(is_urgent=is_urgent):
            decoded = engine.decode(data, info)
        with self._looking.turn.held(is_urgent=is_urgent):
            storing.append(self._looking.look(engine, {event: decoded}, is_urgent=is_urgent))
