"""What image-failures holds: messages that could not be worked off, and which were replayed.

A letter is named by its job and how often that was replayed, or by where an unreadable message lay.
It is open until a mark of that name follows it: docs/decisions/0010.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pipeline import topics
from pipeline.errors import MalformedEvent
from pipeline.events import ImageUploaded, Origin, dump, envelope, event_id, parse_uploaded

FAILED = "ImageFailed"
REPLAYED = "ImageReplayed"

_REPLAYABLE = frozenset({topics.UPLOADS.name, topics.RETRY.name})


@dataclass(frozen=True)
class DeadLetter:
    """One message that could not be worked off.

    Attributes:
        body: the letter itself, a CloudEvent.
        uploaded: the event it is about; None when the message is unreadable.
        raw: the bytes of an unreadable message.
        origin: where the message was read.
        reason: `code` and `detail`.
        written_at: seconds since 1970 at which the message was given up.
    """

    body: Mapping[str, Any]
    uploaded: ImageUploaded | None
    raw: bytes
    origin: Origin
    reason: Mapping[str, str]
    written_at: float

    @property
    def letter_id(self) -> str:
        """The same for every letter about this failure of this message."""
        return event_id(FAILED, _identity(self.uploaded, self.origin))

    @property
    def names(self) -> frozenset[str]:
        """All that an operator may call it by."""
        if self.uploaded is None:
            return frozenset({self.letter_id, _place(self.origin)})
        return frozenset({self.letter_id, self.uploaded.job_id, self.uploaded.image_id})

    def message(self) -> tuple[str, str, bytes]:
        """Build what is sent to try it again: topic, key and value."""
        if self.uploaded is None:
            return self.origin.topic, _place(self.origin), self.raw
        return topics.UPLOADS.name, self.uploaded.image_id, self.uploaded.replayed().encode()

    def mark(self) -> tuple[str, str, bytes]:
        """Build what says that it was sent again: topic, key and value."""
        identity, subject = _identity(self.uploaded, self.origin), str(self.body["subject"])
        trace = self.uploaded.traceparent if self.uploaded else ""
        event = envelope(REPLAYED, "/imagectl", identity, subject, trace)
        event["data"] = {"letterId": self.letter_id}
        if self.uploaded is not None:
            event["data"] |= {"jobId": self.uploaded.job_id, "replays": self.uploaded.replays}
        return topics.FAILURES.name, subject, dump(event)


def encode_failed(
    raw: bytes, uploaded: ImageUploaded | None, reason: Mapping[str, str], origin: Origin
) -> bytes:
    """Render the dead letter of one message; bytes that are no event are kept as base64."""
    event = envelope(
        FAILED,
        "/image-process-consumer",
        _identity(uploaded, origin),
        uploaded.image_id if uploaded else _place(origin),
        uploaded.traceparent if uploaded else "",
    )
    original: dict[str, Any] = (
        {"originalEvent": uploaded.to_cloud_event()}
        if uploaded
        else {"originalBytes": base64.b64encode(raw).decode()}
    )
    event["data"] = original | {
        "reason": dict(reason),
        "attempts": uploaded.attempt if uploaded else 1,
        "originTopic": origin.topic,
        "originPartition": origin.partition,
        "originOffset": origin.offset,
    }
    return dump(event)


def decode(raw: bytes) -> DeadLetter | str:
    """Read a message of image-failures: a letter, or the id of one that was replayed.

    Raises:
        MalformedEvent: it is neither; the text says why.
    """
    try:
        body = json.loads(raw)
        if body["type"] == REPLAYED:
            return str(body["data"]["letterId"])
        if body["type"] != FAILED:
            raise MalformedEvent(f"a {body['type']} is no dead letter")
        return _letter(body)
    except (KeyError, TypeError, ValueError) as error:
        raise MalformedEvent(f"the message is no dead letter: {error!r}") from error


def _letter(body: Mapping[str, Any]) -> DeadLetter:
    data = body["data"]
    origin = Origin(data["originTopic"], int(data["originPartition"]), int(data["originOffset"]))
    if origin.topic not in _REPLAYABLE:
        raise MalformedEvent(f"originTopic is {origin.topic!r}; allowed: {sorted(_REPLAYABLE)}")
    event = data.get("originalEvent")
    uploaded = None if event is None else parse_uploaded(event)
    raw = b"" if uploaded else base64.b64decode(data["originalBytes"], validate=True)
    reason = {name: str(data["reason"][name]) for name in ("code", "detail")}
    written_at = datetime.fromisoformat(body["time"]).timestamp()
    return DeadLetter(body, uploaded, raw, origin, reason, written_at)


def _identity(uploaded: ImageUploaded | None, origin: Origin) -> str:
    if uploaded is None:
        return _place(origin)
    return f"{uploaded.job_id}/{uploaded.replays}" if uploaded.replays else uploaded.job_id


def _place(origin: Origin) -> str:
    return f"{origin.topic}/{origin.partition}/{origin.offset}"
