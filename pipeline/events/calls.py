"""FunctionCalled: a call that is made later, with all it takes to make it, signed by who took it.

Its CloudEvent holds the body up to MAX_INLINE_BYTES; a larger one lies in MinIO. When the function
has answered and the answer is still to be sent on, the event is written again with it.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from pipeline import strict_json
from pipeline.errors import MalformedEvent
from pipeline.events.checks import counted, moment
from pipeline.events.cloudevents import datetime_text, dump, envelope
from pipeline.ids import CALL_BUCKET, TENANT_PATTERN, call_key
from pipeline.kafka import topics
from pipeline.telemetry import is_traceparent

CALLED = "FunctionCalled"
MAX_INLINE_BYTES = 1_000_000
MAX_HEADER_BYTES = 32_768  # of all together, names and values
MAX_PATH_CHARACTERS = 8_190

_SOURCE = "/async-call-consumer"
_ID = re.compile(r"[0-9a-f]{32}")
_CALL_ID = re.compile(r"[!-~]{1,200}")
_FUNCTION = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,127}(?:\.[A-Za-z0-9][A-Za-z0-9_-]{0,127})?")
_METHOD = re.compile(r"[A-Z]{1,20}")
# One way to read it was checked at the door; here that it stays one line of a request.
_PATH = re.compile(r"/[!-~]*")
_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,256}")
# Bytes, as Latin-1 shows them: what HTTP knows as text.
_HEADER_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")
_DIGEST = re.compile(r"[0-9a-f]{64}")
_SCOPE = re.compile(r"[a-z]{1,30}")
_SIGNATURE = re.compile(r"[0-9a-f]{64}")
_MOST_BYTES = 2**31
_FOUND_CHARACTERS = 100

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


def decode_called(raw: bytes, key: str) -> FunctionCalled:
    """Read an event that this system wrote.

    Raises:
        MalformedEvent: it is none, or nobody vouches for it; the text says what is wrong.
    """
    try:
        event = strict_json.parse(raw, topics.CALLS.max_event_bytes)
    except ValueError as error:
        raise MalformedEvent(f"the event is not JSON: {error}") from error
    call = parse_called(event)
    if not hmac.compare_digest(call.signed(key).signature, call.signature):
        raise MalformedEvent("signature is not that of what was accepted")
    return call


def parse_called(event: object) -> FunctionCalled:
    """Check a parsed CloudEvent and take its fields; nobody vouches for them.

    Raises:
        MalformedEvent: a field is missing or not what it must be.
    """
    if not isinstance(event, dict) or event.get("type") != CALLED:
        raise MalformedEvent(f"the event is not a CloudEvent of type {CALLED}")
    data = event.get("data")
    if not isinstance(data, dict):
        raise MalformedEvent("the event has no data object")
    answer = data.get("answer")
    scopes = _take(data, "scopes", list)
    trace = event.get("traceparent", "")
    moment(data.get("acceptedAt"), "data.acceptedAt")
    return FunctionCalled(
        event_id=_text(data, "id", _ID),
        call_id=_text(data, "callId", _CALL_ID),
        function=_text(data, "function", _FUNCTION),
        method=_text(data, "method", _METHOD),
        path=_path(data),
        headers=read_headers(data.get("headers")),
        body=_read(data),
        accepted_at=data["acceptedAt"],
        callback_url=_take(data, "callbackUrl", str),
        tenant=_text(data, "tenantId", TENANT_PATTERN) if data.get("tenantId") != "" else "",
        scopes=tuple(_text({"scopes": scope}, "scopes", _SCOPE) for scope in scopes),
        key_id=_take(data, "keyId", str),
        traceparent=trace if isinstance(trace, str) and is_traceparent(trace) else "",
        answer=None if answer is None else _answer(answer),
        attempt=counted(event, "attempt", 1),
        not_before=moment(event["notbefore"], "notbefore") if "notbefore" in event else 0.0,
        waits=counted(event, "waits", 0),
        waiting_since=(
            moment(event["waitingsince"], "waitingsince") if "waitingsince" in event else 0.0
        ),
        replays=counted(event, "replays", 0),
        signature=_text(event, "signature", _SIGNATURE),
    )


def read_headers(found: object) -> Headers:
    """Take a list of names and values.

    Raises:
        MalformedEvent: it is none, or one of them is no header.
    """
    if not isinstance(found, list):
        raise MalformedEvent(f"headers is {type(found).__name__}; it must be list")
    pairs = []
    for each in found:
        if not isinstance(each, list) or [type(it) for it in each] != [str, str]:
            raise MalformedEvent("headers holds something else than a name and a value")
        name, value = each
        if not _HEADER_NAME.fullmatch(name) or not _HEADER_VALUE.fullmatch(value):
            raise MalformedEvent(f"headers holds no header: {_shown(each)}")
        pairs.append((name, value))
    return tuple(pairs)


def header_bytes(headers: Headers) -> int:
    """Tell how much headers are, names and values."""
    return sum(len(name) + len(value) for name, value in headers)


def _answer(data: object) -> Answer:
    if not isinstance(data, dict):
        raise MalformedEvent("answer is no object")
    status = _take(data, "status", int)
    if not 100 <= status <= 999:
        raise MalformedEvent(f"answer.status is {status}")
    return Answer(
        status,
        read_headers(data.get("headers")),
        _read(data),
        _take(data, "milliseconds", int) / 1000,
        _take(data, "isFailure", bool),
    )


def _path(data: Mapping[str, Any]) -> str:
    path = _text(data, "path", _PATH)
    if len(path) > MAX_PATH_CHARACTERS:
        raise MalformedEvent(f"path has {len(path)} characters, more than {MAX_PATH_CHARACTERS}")
    return path


def _written(payload: Payload, key: str) -> dict[str, Any]:
    if not payload.digest:
        return {"body": base64.b64encode(payload.inline).decode()}
    return {
        "storagePath": f"{CALL_BUCKET}/{key}",
        "bodyBytes": payload.size,
        "bodyDigest": payload.digest,
    }


def _read(data: Mapping[str, Any]) -> Payload:
    if "storagePath" in data:
        size = _take(data, "bodyBytes", int)
        if not MAX_INLINE_BYTES < size < _MOST_BYTES:
            raise MalformedEvent(f"bodyBytes is {size}")
        return Payload(size, digest=_text(data, "bodyDigest", _DIGEST))
    try:
        body = base64.b64decode(_take(data, "body", str), validate=True)
    except ValueError as error:
        raise MalformedEvent(f"body is no base64: {error}") from error
    return Payload(len(body), body)


def _take(data: Mapping[str, Any], name: str, wanted: type) -> Any:
    value = data.get(name)
    if type(value) is not wanted:
        raise MalformedEvent(f"{name} is {type(value).__name__}; it must be {wanted.__name__}")
    return value


def _text(data: Mapping[str, Any], name: str, pattern: re.Pattern[str]) -> str:
    value = _take(data, name, str)
    if not pattern.fullmatch(value):
        raise MalformedEvent(f"{name} is not well formed: {_shown(value)}")
    return str(value)


def _signature(key: str, data: Mapping[str, Any]) -> str:
    return hmac.digest(key.encode(), dump(data), "sha256").hex()


def _shown(value: object) -> str:
    return ascii(value)[:_FOUND_CHARACTERS]
