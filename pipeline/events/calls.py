"""FunctionCalled: a call that is made later, with all it takes to make it, signed by who took it.

Its CloudEvent holds the body up to MAX_INLINE_BYTES; a larger one lies in MinIO. When the function
has answered and the answer is still to be sent on, the event is written again with it.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from pipeline.events.cloudevents import datetime_text, dump, envelope
from pipeline.ids import CALL_BUCKET, call_key

CALLED = "FunctionCalled"
MAX_INLINE_BYTES = 1_000_000
MAX_HEADER_BYTES = 32_768  # of all together, names and values

_SOURCE = "/async-call-consumer"

Headers = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Payload:
    """Bytes in the event or, when `digest` is not empty, in MinIO."""

    size: int = 0
    inline: bytes = b""
    digest: str = ""

    @classmethod
    def of(cls, data: bytes) -> Payload:
        """Keep bytes where their size belongs; large ones are to be stored by the caller."""
        if len(data) <= MAX_INLINE_BYTES:
            return cls(len(data), data)
        return cls(len(data), digest=hashlib.sha256(data).hexdigest())


@dataclass(frozen=True)
class Answer:
    """What a function said, kept while it is sent on.

    Attributes:
        seconds: how long it took.
        is_failure: the call was given up, and its dead letter is written.
    """

    status: int
    headers: Headers
    body: Payload
    seconds: float
    is_failure: bool = False


@dataclass(frozen=True)
class FunctionCalled:
    """One accepted call.

    Attributes:
        event_id: ours, unlike the call id that a client may have chosen, and chosen twice.
        function: as it was called, perhaps with its namespace.
        path: what is left for the function, with the query.
        tenant: of the key that it was called with; empty where none is asked for.
        attempt: which try of the call, or of its callback, comes next; from 1.
        waits: how often it was put off because the function had no room, since `waiting_since`.
        signature: over all that was accepted, by a key that Kafka does not have.
    """

    event_id: str
    call_id: str
    function: str
    method: str
    path: str
    headers: Headers
    body: Payload
    accepted_at: str
    callback_url: str = ""
    tenant: str = ""
    scopes: tuple[str, ...] = ()
    key_id: str = ""
    traceparent: str = ""
    answer: Answer | None = None
    attempt: int = 1
    not_before: float = 0.0
    waits: int = 0
    waiting_since: float = 0.0
    replays: int = 0
    signature: str = ""

    def signed(self, key: str) -> FunctionCalled:
        """Vouch for what was accepted."""
        return replace(self, signature=_signature(key, self._data()))

    def encode(self) -> bytes:
        """Render the CloudEvent."""
        return dump(self.to_cloud_event())

    def to_cloud_event(self) -> dict[str, Any]:
        """Build the CloudEvent."""
        event = envelope(CALLED, _SOURCE, self.event_id, self.function, self.traceparent)
        event |= {"id": self.event_id, "time": self.accepted_at, "data": self._data()}
        event["signature"] = self.signature
        if self.attempt > 1:
            event["attempt"] = self.attempt
        if self.not_before:
            event["notbefore"] = datetime_text(self.not_before)
        if self.waits:
            event |= {"waits": self.waits, "waitingsince": datetime_text(self.waiting_since)}
        if self.replays:
            event["replays"] = self.replays
        return event

    def again(self, not_before: float) -> FunctionCalled:
        """Make the event of the next attempt."""
        return replace(
            self, attempt=self.attempt + 1, not_before=not_before, waits=0, waiting_since=0.0
        )

    def later(self, not_before: float, now: float) -> FunctionCalled:
        """Make the event of the same attempt, put off."""
        since = self.waiting_since or now
        return replace(self, not_before=not_before, waits=self.waits + 1, waiting_since=since)

    def answered(self, answer: Answer, key: str) -> FunctionCalled:
        """Make the event of the callback, which needs the call's body no more."""
        left = replace(
            self, body=Payload(), answer=answer, attempt=1, not_before=0.0, waits=0
        )  # fmt: skip
        return replace(left, waiting_since=0.0).signed(key)

    def replayed(self) -> FunctionCalled:
        """Make the event that gives a dead-lettered call its whole budget again."""
        return replace(
            self, attempt=1, not_before=0.0, waits=0, waiting_since=0.0, replays=self.replays + 1
        )

    def _data(self) -> dict[str, Any]:
        data: dict[str, Any] = {
            "id": self.event_id,
            "callId": self.call_id,
            "function": self.function,
            "method": self.method,
            "path": self.path,
            "headers": [list(each) for each in self.headers],
            **_written(self.body, call_key(self.event_id)),
            "acceptedAt": self.accepted_at,
            "callbackUrl": self.callback_url,
            "tenantId": self.tenant,
            "scopes": list(self.scopes),
            "keyId": self.key_id,
        }
        if self.answer is not None:
            data["answer"] = {
                "status": self.answer.status,
                "headers": [list(each) for each in self.answer.headers],
                **_written(self.answer.body, call_key(self.event_id, is_answer=True)),
                "milliseconds": round(self.answer.seconds * 1000),
                "isFailure": self.answer.is_failure,
            }
        return data


def header_bytes(headers: Headers) -> int:
    """Tell how much headers are, names and values."""
    return sum(len(name) + len(value) for name, value in headers)


def _written(payload: Payload, key: str) -> dict[str, Any]:
    if not payload.digest:
        return {"body": base64.b64encode(payload.inline).decode()}
    return {
        "storagePath": f"{CALL_BUCKET}/{key}",
        "bodyBytes": payload.size,
        "bodyDigest": payload.digest,
    }


def _signature(key: str, data: Mapping[str, Any]) -> str:
    return hmac.digest(key.encode(), dump(data), "sha256").hex()
