"""One message read from Kafka: as which attempt it is worked on, and when."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, replace

from outcomes import internal
from pipeline.consuming.progress import NOTHING, Mark
from pipeline.errors import MalformedEvent, PipelineError
from pipeline.events.checks import MAX_COUNT
from pipeline.events.cloudevents import ImageUploaded, Origin, decode_uploaded
from pipeline.kafka import topics
from pipeline.kafka.topics import Partition

logger = logging.getLogger(__name__)

ImageKey = tuple[str, str]


@dataclass(frozen=True)
class Delivery:
    """A message, the event in it or what is wrong with it, and when it may be worked on.

    Attributes:
        problem: why it fails untried, if it does.
        due: monotonic seconds before which it waits.
        was_alone: a consumer died while it worked on this and on nothing else.
        alone: nothing else is to be worked on at once, so that it is known whose crash it was.
        bugs: how often work on this and on nothing else ended in a bug.
    """

    raw: bytes
    origin: Origin
    event: ImageUploaded | None
    problem: PipelineError | None = None
    due: float = 0.0
    was_alone: bool = False
    alone: bool = False
    bugs: int = 0

    @property
    def place(self) -> Partition:
        """The partition it was read from."""
        return self.origin.topic, self.origin.partition

    @property
    def tenant(self) -> str:
        """Whose it is; nobody's if it is no event."""
        return self.event.tenant_id if self.event else ""

    @property
    def is_urgent(self) -> bool:
        """Whether it goes before what a tenant sent beyond its share."""
        return self.origin.topic == topics.UPLOADS.name

    @property
    def key(self) -> ImageKey:
        """What must not be worked on twice at once: an image of a tenant, else the message."""
        if self.event is None:
            return (self.origin.topic, f"{self.origin.partition}/{self.origin.offset}")
        return (self.event.tenant_id, self.event.image_id)

    def later(self, due: float) -> Delivery:
        """Put it off; it may have been worked on in part."""
        event = replace(self.event, redelivered=True) if self.event else None
        return replace(self, due=due, event=event)


def read(
    raw: bytes,
    origin: Origin,
    *,
    redelivered: bool,
    died: Mark = NOTHING,
    max_attempts: int = 0,
    longest_wait_seconds: float = 0.0,
) -> Delivery:
    """Make a delivery of a message's bytes; ones that are no event are kept with the reason.

    Args:
        died: how often a consumer died while it worked on this; each time was an attempt.
        max_attempts: the last of them, if it is not the first, is made alone; 0: none is.
        longest_wait_seconds: no retry waits longer, whatever became of the clock since it was
            written.
    """
    try:
        event = decode_uploaded(raw)
    except MalformedEvent as problem:
        return Delivery(raw, origin, None, problem)
    except Exception as error:
        # A bug: the message is dead-lettered, or it would end every consumer that ever reads it.
        logger.exception("event not read", extra={"origin": str(origin)})
        return Delivery(raw, origin, None, internal(error))
    if redelivered:
        event = replace(event, redelivered=True)
    event = replace(event, attempt=min(event.attempt + died.begun, MAX_COUNT))
    wait_seconds = min(event.not_before - time.time(), longest_wait_seconds)
    due = time.monotonic() + wait_seconds
    # Beyond the last attempt without a crash, nobody of ours wrote it: it holds up no other.
    alone = 1 < max_attempts <= event.attempt and (died.begun > 0 or event.attempt == max_attempts)
    return Delivery(raw, origin, event, due=due, was_alone=died.alone, alone=alone)
