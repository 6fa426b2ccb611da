"""What image-failures holds: messages that could not be worked off, and which were replayed.

A letter is named by its job and how often that was replayed, or by where an unreadable message lay.
It is open until a mark of that name follows it: docs/decisions/0010.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pipeline import strict_json
from pipeline.errors import MalformedEvent
from pipeline.events.call_checks import parse_called
from pipeline.events.calls import FunctionCalled
from pipeline.events.checks import moment, take
from pipeline.events.cloudevents import (
    ImageUploaded,
    Origin,
    dump,
    envelope,
    event_id,
    parse_uploaded,
)
from pipeline.kafka import topics

FAILED = "ImageFailed"
CALL_FAILED = "FunctionCallFailed"
REPLAYED = "ImageReplayed"

# The largest message that is kept whole; base64 makes it a third larger, and the topic takes that.
MAX_KEPT_BYTES = topics.UPLOADS.max_event_bytes
# Of a larger one this much is kept, to recognise it by.
_START_BYTES = 1024

# The letter of an event is named by its job, wherever the message lay.
_NOWHERE = Origin("", 0, 0)

_REPLAYABLE = frozenset(topic.name for topic in (*topics.READ, *topics.CALLS_READ))


@dataclass(frozen=True)
class DeadLetter:
    """One message that could not be worked off.

    Attributes:
        body: the letter itself, a CloudEvent.
        uploaded: the event it is about; None when the message is unreadable.
        raw: the bytes of an unreadable message; of one that is not whole, its first.
        is_whole: the message is in the letter, and can be sent again.
        origin: where the message was read.
        reason: `code` and `detail`.
        written_at: seconds since 1970 at which the message was given up.
        call: the asynchronous call that it is about, if it is about one.
    """

    body: Mapping[str, Any]
    uploaded: ImageUploaded | None
    raw: bytes
    is_whole: bool
    origin: Origin
    reason: Mapping[str, str]
    written_at: float
    call: FunctionCalled | None = None

    @property
    def letter_id(self) -> str:
        """The same for every letter about this failure of this message."""
        if self.call is not None:
            return call_letter_id(self.call)
        return letter_id(self.uploaded, self.origin)

    @property
    def names(self) -> frozenset[str]:
        """All that an operator may call it by."""
        if self.call is not None:
            return frozenset({self.letter_id, self.call.call_id, self.call.event_id})
        if self.uploaded is None:
            return frozenset({self.letter_id, _place(self.origin)})
        return frozenset({self.letter_id, self.uploaded.job_id, self.uploaded.image_id})

    def message(self) -> tuple[str, str, bytes]:
        """Build what is sent to try it again: topic, key and value."""
        if self.call is not None:
            return topics.CALLS.name, self.call.event_id, self.call.replayed().encode()
        if self.uploaded is None:
            return self.origin.topic, _place(self.origin), self.raw
        # Thousands may be replayed at once: no upload waits for them.
        lane = topics.bulk_of(self.uploaded.tenant_id)
        return lane.name, self.uploaded.image_id, self.uploaded.replayed().encode()

    def mark(self) -> tuple[str, str, bytes]:
        """Build what says that it was sent again: topic, key and value."""
        if self.uploaded is not None:
            return _mark("/imagectl", self.uploaded, self.letter_id)
        identity, subject = _identity(None, self.origin), str(self.body["subject"])
        if self.call is not None:
            identity = _call_identity(self.call)
        trace = self.call.traceparent if self.call else ""
        event = envelope(REPLAYED, "/imagectl", identity, subject, trace)
        event["data"] = {"letterId": self.letter_id}
        return topics.FAILURES.name, subject, dump(event)


def call_letter_id(call: FunctionCalled) -> str:
    """Name the letter of a call, or of its callback."""
    return event_id(CALL_FAILED, _call_identity(call))


def letter_id(uploaded: ImageUploaded | None, origin: Origin) -> str:
    """Name the letter of a message."""
    return event_id(FAILED, _identity(uploaded, origin))


def mark_retried(event: ImageUploaded) -> tuple[str, str, bytes]:
    """Build what says that the letter of this event was sent again: topic, key and value."""
    return _mark("/image-upload", event, letter_id(event, _NOWHERE))


def encode_failed(
    raw: bytes | None,
    uploaded: ImageUploaded | None,
    reason: Mapping[str, str],
    origin: Origin,
    *,
    stage: str,
    most_bytes: int = MAX_KEPT_BYTES,
) -> bytes:
    """Render the dead letter of one message; bytes that are no event are kept as base64.

    Args:
        raw: None: nobody could read it.
        stage: how far the message came: read, consume, invoke, fetch or decode.
        most_bytes: of a message that is no event and larger, only size and digest are kept, and
            its first bytes.
    """
    event = envelope(
        FAILED,
        "/image-process-consumer",
        _identity(uploaded, origin),
        uploaded.image_id if uploaded else _place(origin),
        uploaded.traceparent if uploaded else "",
    )
    kept = {"originalEvent": uploaded.to_cloud_event()} if uploaded else _kept(raw, most_bytes)
    event["data"] = kept | {
        "reason": dict(reason),
        "stage": stage,
        "attempts": uploaded.attempt if uploaded else 1,
        "originTopic": origin.topic,
        "originPartition": origin.partition,
        "originOffset": origin.offset,
    }
    return dump(event)


def encode_call_failed(
    call: FunctionCalled, reason: Mapping[str, str], origin: Origin, attempts: int
) -> bytes:
    """Render the dead letter of a call, or of a callback when it has an answer."""
    event = envelope(
        CALL_FAILED,
        "/async-call-consumer",
        _call_identity(call),
        call.function,
        call.traceparent,
    )
    event["data"] = {
        "originalCall": call.to_cloud_event(),
        "reason": dict(reason),
        "stage": call_stage(call),
        "attempts": attempts,
        "originTopic": origin.topic,
        "originPartition": origin.partition,
        "originOffset": origin.offset,
    }
    return dump(event)


def call_stage(call: FunctionCalled) -> str:
    """Tell how far a call came."""
    return "invoke" if call.answer is None else "callback"


def decode(raw: bytes) -> DeadLetter | str:
    """Read a message of image-failures: a letter, or the id of one that was replayed.

    Raises:
        MalformedEvent: it is neither; the text says why.
    """
    try:
        body = strict_json.parse(raw, topics.FAILURES.max_event_bytes)
    except ValueError as error:
        raise MalformedEvent(f"the message is no dead letter: {error}") from error
    kind = body.get("type") if isinstance(body, dict) else None
    if kind == REPLAYED:
        return str(take(take(body, "data", dict), "letterId", str))
    if kind not in (FAILED, CALL_FAILED):
        raise MalformedEvent("the message is no dead letter: its type is another")
    return _letter(body)


def _letter(body: Mapping[str, Any]) -> DeadLetter:
    data, _ = take(body, "data", dict), take(body, "subject", str)
    where = (take(data, f"origin{part}", int) for part in ("Partition", "Offset"))
    origin = Origin(take(data, "originTopic", str), *where)
    if origin.topic not in _REPLAYABLE:
        raise MalformedEvent(f"originTopic is {origin.topic!a}; allowed: {sorted(_REPLAYABLE)}")
    event = data.get("originalEvent")
    uploaded = None if event is None else parse_uploaded(event)
    call = parse_called(data.get("originalCall")) if body["type"] == CALL_FAILED else None
    is_whole = bool(uploaded or call) or "originalBytes" in data
    raw = (
        b"" if uploaded or call else _bytes(data, "originalBytes" if is_whole else "originalStart")
    )
    take(data, "attempts", int)
    said = take(data, "reason", dict)
    reason = {name: str(take(said, name, str)) for name in ("code", "detail")}
    written_at = moment(take(body, "time", str), "time")
    return DeadLetter(body, uploaded, raw, is_whole, origin, reason, written_at, call)


def _mark(source: str, uploaded: ImageUploaded, letter: str) -> tuple[str, str, bytes]:
    identity = _identity(uploaded, _NOWHERE)
    event = envelope(REPLAYED, source, identity, uploaded.image_id, uploaded.traceparent)
    data = {"letterId": letter, "jobId": uploaded.job_id, "replays": uploaded.replays}
    event["data"] = data
    return topics.FAILURES.name, uploaded.image_id, dump(event)


def _bytes(data: Mapping[str, Any], name: str) -> bytes:
    try:
        return base64.b64decode(take(data, name, str), validate=True)
    except ValueError as error:
        raise MalformedEvent(f"{name} is no base64: {error}") from error


def _kept(raw: bytes | None, most_bytes: int) -> dict[str, Any]:
    if raw is None:
        return {"originalStart": ""}
    if len(raw) <= most_bytes:
        return {"originalBytes": base64.b64encode(raw).decode()}
    return {
        "originalSize": len(raw),
        "originalDigest": f"sha256:{hashlib.sha256(raw).hexdigest()}",
        "originalStart": base64.b64encode(raw[:_START_BYTES]).decode(),
    }


def _identity(uploaded: ImageUploaded | None, origin: Origin) -> str:
    if uploaded is None:
        return _place(origin)
    return f"{uploaded.job_id}/{uploaded.replays}" if uploaded.replays else uploaded.job_id


def _call_identity(call: FunctionCalled) -> str:
    return f"{call.event_id}/{call_stage(call)}/{call.replays}"


def _place(origin: Origin) -> str:
    return f"{origin.topic}/{origin.partition}/{origin.offset}"
