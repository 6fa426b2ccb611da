"""FunctionCalled: what is written is read again, and nothing that nobody vouches for is."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import jsonschema
import pytest

from pipeline.errors import MalformedEvent
from pipeline.events import dead_letters
from pipeline.events.call_checks import decode_called
from pipeline.events.calls import MAX_INLINE_BYTES, Answer, FunctionCalled, Payload
from pipeline.events.cloudevents import Origin
from pipeline.events.dead_letters import DeadLetter, encode_call_failed
from pipeline.kafka import topics
from tests.samples import called
from tests.stack import ROOT

KEY = "a key"
REASON = {"code": "function-failed", "detail": "worker answered 500"}


def test_what_is_written_is_read_again() -> None:
    call = replace(called(), attempt=3, not_before=1000.0, replays=1).signed(KEY)

    assert decode_called(call.encode(), KEY) == call


@pytest.mark.parametrize(
    "call",
    [
        called(),
        called(body=Payload.of(bytes(MAX_INLINE_BYTES + 1)), tenant="someone", scopes=("read",)),
        called(attempt=2, not_before=1000.0, waits=1, waiting_since=1000.0, replays=1),
        called(answer=Answer(200, (("X-Of", "worker"),), Payload.of(b"tea"), 1.5)),
        called(answer=Answer(500, (), Payload.of(bytes(MAX_INLINE_BYTES + 1)), 1.5, True)),
    ],
)
def test_what_is_written_has_its_schema(call: FunctionCalled) -> None:
    schema = json.loads((ROOT / "docs/schemas/function-called.schema.json").read_text())

    jsonschema.validate(call.signed(KEY).to_cloud_event(), schema)


def test_an_answer_travels_with_its_call_and_its_body_does_not() -> None:
    answer = Answer(418, (("X-Of", "worker"),), Payload.of(b"tea"), 1.5, is_failure=True)

    answered = called().answered(answer, KEY)

    assert decode_called(answered.encode(), KEY) == answered
    assert answered.answer == answer
    assert answered.body == Payload()


def test_a_large_body_is_named_and_not_held() -> None:
    payload = Payload.of(b"a" * (MAX_INLINE_BYTES + 1))
    call = replace(called(), body=payload).signed(KEY)

    written = call.encode()

    assert len(written) < 4096
    assert decode_called(written, KEY).body == payload
    assert json.loads(written)["data"]["storagePath"].startswith("function-calls/")


def test_the_largest_call_and_its_letter_fit_into_their_topics() -> None:
    body = Payload.of(b"\xff" * MAX_INLINE_BYTES)
    headers = tuple((f"x-{number}", '"' * 1000) for number in range(32))
    call = replace(called(), body=body, headers=headers, path="/" + "a" * 8000).signed(KEY)

    letter = encode_call_failed(call, REASON, Origin("function-calls", 0, 0), 5)

    assert len(call.encode()) < topics.CALLS.max_event_bytes
    assert len(letter) < topics.FAILURES.max_event_bytes


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("tenantId", "another"),
        ("scopes", ["read", "upload"]),
        ("function", "image-results"),
        ("path", "/images/1"),
        ("callbackUrl", "http://127.0.0.1:9/"),
        ("body", "eA=="),
    ],
)
def test_what_was_accepted_cannot_be_changed_in_kafka(field: str, value: object) -> None:
    event: dict[str, Any] = called().signed(KEY).to_cloud_event()
    event["data"][field] = value

    with pytest.raises(MalformedEvent, match="signature"):
        decode_called(json.dumps(event).encode(), KEY)


def test_a_call_signed_with_another_key_is_none() -> None:
    with pytest.raises(MalformedEvent, match="signature"):
        decode_called(called().signed("another key").encode(), KEY)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("path", "/a\r\nX-Gateway-Token: b"),
        ("path", "no slash"),
        ("method", "POST /"),
        ("function", "../image-results"),
        ("headers", [["a:b", "c"]]),
        ("headers", [["a", "b\nc"]]),
        ("headers", {"a": "b"}),
        ("callId", "a b"),
        ("id", "another"),
        ("body", "no base64"),
        ("tenantId", "No tenant"),
    ],
)
def test_a_field_that_could_be_read_otherwise_is_refused(field: str, value: object) -> None:
    event: dict[str, Any] = called().signed(KEY).to_cloud_event()
    event["data"][field] = value

    with pytest.raises(MalformedEvent, match=field):
        decode_called(json.dumps(event).encode(), KEY)


def letter_of(call: FunctionCalled) -> DeadLetter:
    origin = Origin("function-calls-retry", 1, 7)
    letter = dead_letters.decode(encode_call_failed(call, REASON, origin, call.attempt))
    assert isinstance(letter, DeadLetter)
    return letter


def test_a_letter_of_a_call_is_found_by_its_call_id_and_replayed_with_all_its_attempts() -> None:
    letter = letter_of(replace(called(), attempt=5).signed(KEY))

    topic, _, value = letter.message()
    again = decode_called(value, KEY)

    assert "a-call" in letter.names
    assert topic == "function-calls"
    assert (again.attempt, again.replays) == (1, 1)


def test_a_call_and_its_callback_have_letters_of_their_own() -> None:
    call = called().signed(KEY)
    answered = call.answered(Answer(200, (), Payload.of(b""), 0.1), KEY)

    assert letter_of(call).letter_id != letter_of(answered).letter_id
    assert letter_of(call).letter_id != letter_of(call.replayed()).letter_id


def test_two_calls_of_the_same_call_id_have_letters_of_their_own() -> None:
    one, other = called(), replace(called(), event_id="f" * 32)

    assert letter_of(one.signed(KEY)).letter_id != letter_of(other.signed(KEY)).letter_id
