"""What the fields of a FunctionCalled event may hold, and who vouches for all of them."""

from __future__ import annotations

import base64
import hmac
import re
from collections.abc import Mapping
from typing import Any

from pipeline import strict_json
from pipeline.errors import MalformedEvent
from pipeline.events.calls import CALLED, MAX_INLINE_BYTES, Answer, FunctionCalled, Headers, Payload
from pipeline.events.checks import counted, moment, take
from pipeline.ids import TENANT_PATTERN
from pipeline.kafka import topics
from pipeline.telemetry import is_traceparent

_MAX_PATH_CHARACTERS = 8_190
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
    scopes = take(data, "scopes", list)
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
        callback_url=take(data, "callbackUrl", str),
        tenant=_text(data, "tenantId", TENANT_PATTERN) if data.get("tenantId") != "" else "",
        scopes=tuple(_text({"scopes": scope}, "scopes", _SCOPE) for scope in scopes),
        key_id=take(data, "keyId", str),
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


def _answer(data: object) -> Answer:
    if not isinstance(data, dict):
        raise MalformedEvent("answer is no object")
    status = take(data, "status", int)
    if not 100 <= status <= 999:
        raise MalformedEvent(f"answer.status is {status}")
    return Answer(
        status,
        read_headers(data.get("headers")),
        _read(data),
        take(data, "milliseconds", int) / 1000,
        take(data, "isFailure", bool),
    )


def _path(data: Mapping[str, Any]) -> str:
    path = _text(data, "path", _PATH)
    if len(path) > _MAX_PATH_CHARACTERS:
        raise MalformedEvent(f"path has {len(path)} characters, more than {_MAX_PATH_CHARACTERS}")
    return path


def _read(data: Mapping[str, Any]) -> Payload:
    if "storagePath" in data:
        size = take(data, "bodyBytes", int)
        if not MAX_INLINE_BYTES < size < _MOST_BYTES:
            raise MalformedEvent(f"bodyBytes is {size}")
        return Payload(size, digest=_text(data, "bodyDigest", _DIGEST))
    try:
        body = base64.b64decode(take(data, "body", str), validate=True)
    except ValueError as error:
        raise MalformedEvent(f"body is no base64: {error}") from error
    return Payload(len(body), body)


def _text(data: Mapping[str, Any], name: str, pattern: re.Pattern[str]) -> str:
    value = take(data, name, str)
    if not pattern.fullmatch(value):
        raise MalformedEvent(f"{name} is not well formed: {_shown(value)}")
    return str(value)


def _shown(value: object) -> str:
    return ascii(value)[:_FOUND_CHARACTERS]
