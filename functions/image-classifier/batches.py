"""How the events of a batch are read: in UTF-8, of bounded size, and whole or not at all."""

from __future__ import annotations

import json
import re
from typing import Any, NoReturn

from pipeline import events
from pipeline.errors import Rejected

MAX_EVENTS = 64
# An event has at most MAX_EVENT_BYTES in Kafka; the consumer adds what it knows of the delivery.
MAX_BYTES = MAX_EVENTS * 2 * events.MAX_EVENT_BYTES

_HALF_A_CHARACTER = re.compile(r"\\u[dD][89a-fA-F]")


def parse(body: bytes) -> list[events.ImageUploaded]:
    """Read a batch.

    Raises:
        Rejected: it is too large, no JSON in UTF-8, nested too deeply, or no list of 1 to
            MAX_EVENTS events.
    """
    if len(body) > MAX_BYTES:
        raise Rejected(
            f"the batch has {len(body):,} bytes; the limit is {MAX_BYTES:,}",
            code="batch-too-large",
            status=413,
            found=len(body),
            allowed=MAX_BYTES,
        )
    batch = _json(body)
    if not isinstance(batch, list) or not 1 <= len(batch) <= MAX_EVENTS:
        found = len(batch) if isinstance(batch, list) else type(batch).__name__
        raise Rejected(
            f"a batch is a list of 1 to {MAX_EVENTS} events",
            code="bad-batch",
            found=found,
            allowed=f"1 to {MAX_EVENTS}",
        )
    return [events.parse_uploaded(event) for event in batch]


def _json(body: bytes) -> Any:
    try:
        text = body.decode()
        batch = json.loads(text, parse_constant=_refuse)
        if _HALF_A_CHARACTER.search(text):
            # Two halves make a character; one alone could be written nowhere.
            json.dumps(batch, ensure_ascii=False).encode()
    except ValueError as error:
        raise Rejected(f"the batch is not JSON in UTF-8: {error}", code="bad-batch") from error
    except RecursionError as error:
        raise Rejected("the batch is nested too deeply", code="bad-batch", allowed=3) from error
    return batch


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no number")
