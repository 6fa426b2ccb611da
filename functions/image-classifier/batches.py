"""How the events of a batch are read: in UTF-8, of bounded size, and whole or not at all."""

from __future__ import annotations

from pipeline import strict_json
from pipeline.errors import Rejected, TooLarge
from pipeline.events import cloudevents

MAX_EVENTS = 64
# An event has at most MAX_EVENT_BYTES in Kafka; the consumer adds what it knows of the delivery.
MAX_BYTES = MAX_EVENTS * 2 * cloudevents.MAX_EVENT_BYTES
# Whole batches have no more brackets: how deep each goes need not be looked for.
_MAX_DEPTH = 4 * MAX_EVENTS


def parse(body: bytes) -> list[cloudevents.ImageUploaded]:
    """Read a batch.

    Raises:
        TooLarge: it has more than MAX_BYTES.
        Rejected: it is no JSON in UTF-8, nested too deeply, or no list of 1 to MAX_EVENTS events.
    """
    if len(body) > MAX_BYTES:
        raise TooLarge(
            f"the batch has {len(body):,} bytes; the limit is {MAX_BYTES:,}",
            code="batch-too-large",
            found=len(body),
            allowed=MAX_BYTES,
        )
    try:
        batch = strict_json.parse(body, MAX_BYTES, _MAX_DEPTH)
    except ValueError as error:
        raise Rejected(f"the batch is not JSON in UTF-8: {error}", code="bad-batch") from error
    if not isinstance(batch, list) or not 1 <= len(batch) <= MAX_EVENTS:
        found = len(batch) if isinstance(batch, list) else type(batch).__name__
        raise Rejected(
            f"a batch is a list of 1 to {MAX_EVENTS} events",
            code="bad-batch",
            found=found,
            allowed=f"1 to {MAX_EVENTS}",
        )
    return [cloudevents.parse_uploaded(event) for event in batch]
