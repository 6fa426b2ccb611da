"""The way of a costly image: by itself, in its turn, and no other waits for it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import suppress

from costly import Costly, busy
from engine import Engine, Seen
from fetching import Fetching
from finding import Finding
from loaded_models import LoadedModels
from looking import Looking, Stored
from pipeline.errors import InvalidImage, Unavailable
from pipeline.events.cloudevents import ImageUploaded
from pipeline.images.decoding import ImageInfo
from pipeline.storage.cache import ResultKey
from storing import ResultOrError, key_of

# For so long it begins with another one: as long as a call is meant to take.
_SECONDS = 4.0


class CostlyImages:
    """Classifies costly images beside all others; safe to call from several threads."""

    def __init__(
        self, engines: LoadedModels, fetching: Fetching, finding: Finding, looking: Looking
    ) -> None:
        self._engines = engines
        self._fetching = fetching
        self._finding = finding
        self._looking = looking
        self._costly = Costly()

    def knows(self, event: ImageUploaded) -> bool:
        """Tell whether an image is known to be costly."""
        return self._costly.knows(event.tenant_id, event.image_id)

    def note(self, event: ImageUploaded, data: bytes | None = None) -> None:
        """Remember that an image is costly.

        Args:
            data: its own, where it is too large to be fetched twice without need.
        """
        self._costly.note(event.tenant_id, event.image_id)
        if data:
            self._costly.hold(event.tenant_id, event.image_id, data)

    def classify(
        self, images: Sequence[ImageUploaded], storing: list[Stored]
    ) -> dict[ResultKey, ResultOrError]:
        """Classify images one by one while other batches are looked at.

        Those that have no turn now come again, and cost nobody an attempt: waiting here, they would
        keep calls that others need.

        Args:
            storing: takes what is still being stored at the end.

        Returns:
            What is known of those that are not stored.
        """
        outcomes: dict[ResultKey, ResultOrError] = {key_of(event): busy() for event in images}
        with suppress(Unavailable), self._costly.turn():
            until = time.monotonic() + _SECONDS
            found = self._finding.find(images)
            outcomes |= found
            for event in (event for event in images if key_of(event) not in found):
                if time.monotonic() >= until:
                    break
                try:
                    storing.append(self._classify_one(event))
                except (InvalidImage, Unavailable) as error:
                    outcomes[key_of(event)] = error
        return outcomes

    def look(self, engine: Engine, data: bytes, info: ImageInfo) -> Seen:
        """Classify bytes, storing nothing.

        Raises:
            InvalidImage: they cannot be decoded.
            Unavailable: another one is being decoded, or the machine is too busy for it.
        """
        with self._costly.turn():
            decoded = engine.decode(data, info)
        with self._looking.turn.held():
            return engine.infer(decoded)

    def _classify_one(self, event: ImageUploaded) -> Stored:
        # Most are fetched anew: all of a batch would be hundreds of megabytes to hold on to.
        held = self._costly.let_go(event.tenant_id, event.image_id)
        data = held or self._fetching.one(event)
        with self._looking.turn.held():
            engine = self._engines.get(event.model_id)
        decoded = engine.decode(data)
        with self._looking.turn.held():
            return self._looking.look(engine, {event: decoded})
