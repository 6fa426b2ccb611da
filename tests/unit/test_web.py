"""Who a caller is, and what errors look like."""

from __future__ import annotations

import json
import logging
from types import SimpleNamespace
from typing import Any

import pytest

from pipeline import telemetry
from pipeline.errors import ImageTooLarge, MethodNotAllowed, Rejected, Unauthorized, Unavailable
from pipeline.http import web
from pipeline.http.identity import GATEWAY, Signer, Verifier
from tests.samples import TRACEPARENT

TRACE = TRACEPARENT.split("-")[1]


def call(**headers: str) -> web.Call:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return web.Call("POST", "/", {}, named, b"", TRACE)


def test_a_caller_is_who_its_token_says() -> None:
    token = Signer(GATEWAY, "image-upload", "key").sign(
        "POST", "/", scopes=("upload",), lifetime_seconds=60, tenant="default"
    )
    verifier = Verifier("image-upload", {GATEWAY: "key"})

    assert call(X_Gateway_Token=token).caller(verifier).tenant == "default"
    with pytest.raises(Unauthorized, match="is missing"):
        call(X_Tenant="default").caller(verifier)


def answer(error: Exception) -> Any:
    def fail(_: web.Call) -> web.Response:
        raise error

    event = SimpleNamespace(
        method="POST", path="", query={}, body=b"", headers={"traceparent": TRACEPARENT}
    )
    return web.answer(event, fail)


def test_an_error_becomes_a_problem_with_what_was_found_and_allowed() -> None:
    response = answer(ImageTooLarge("too large", code="big", found=9, allowed=5))

    assert response["statusCode"] == 413
    assert response["headers"]["Content-Type"] == "application/problem+json"
    assert json.loads(response["body"]) == {
        "type": "urn:image-pipeline:problem:big",
        "title": "big",
        "status": 413,
        "detail": "too large",
        "found": 9,
        "allowed": 5,
        "traceId": TRACE,
    }


def test_what_is_unavailable_says_when_to_try_again() -> None:
    response = answer(Unavailable("Kafka is down", retry_after_seconds=3))

    assert response["statusCode"] == 503
    assert response["headers"]["Retry-After"] == "3"


def test_a_wrong_method_is_told_the_right_ones() -> None:
    with pytest.raises(MethodNotAllowed) as refused:
        call().require_method("GET", "HEAD")

    assert web.problem(refused.value, TRACE)["headers"]["Allow"] == "GET, HEAD"


def encoded(encoding: str) -> Any:
    headers = {"traceparent": TRACEPARENT, "Content-Encoding": encoding}
    event = SimpleNamespace(method="POST", path="", query={}, body=b"", headers=headers)
    return web.answer(event, lambda _: web.respond(200, {}))


@pytest.mark.parametrize("encoding", ["gzip", "GZIP", "deflate, gzip", "identity, br", "x" * 300])
def test_a_body_that_is_to_be_inflated_is_refused(encoding: str) -> None:
    response = encoded(encoding)

    problem = json.loads(response["body"])
    assert response["statusCode"] == problem["status"] == 415
    assert problem["type"] == "urn:image-pipeline:problem:unsupported-encoding"
    assert (problem["found"], problem["allowed"]) == (encoding[:200], "identity")
    assert response["headers"]["Accept-Encoding"] == "identity"


@pytest.mark.parametrize("encoding", ["", "identity", "Identity"])
def test_a_body_that_is_as_it_is_is_taken(encoding: str) -> None:
    assert encoded(encoding)["statusCode"] == 200


def test_half_a_character_that_was_found_can_be_told() -> None:
    response = answer(Rejected("no", found="\ud800.jpg"))

    assert response["body"].encode().decode() == response["body"]
    assert json.loads(response["body"])["found"] == "?.jpg"


def test_a_bug_is_not_made_into_an_answer() -> None:
    with pytest.raises(ZeroDivisionError):
        answer(ZeroDivisionError())


@pytest.mark.parametrize(
    "text",
    [None, "", "00-" + "0" * 32 + "-00f067aa0ba902b7-01", "00-x-y-01", TRACEPARENT + "-more"],
)
def test_a_broken_traceparent_starts_a_new_trace(text: str | None) -> None:
    first, second = telemetry.trace_id(text), telemetry.trace_id(text)

    assert len(first) == 32
    assert first != second


def test_a_log_line_is_json_with_its_fields() -> None:
    record = logging.makeLogRecord(
        {"msg": "accepted", "levelname": "INFO", "name": "upload", "image_id": "ab\n"}
    )

    line = telemetry.JsonFormatter("image-upload").format(record)

    assert "\n" not in line
    assert json.loads(line)["image_id"] == "ab\n"
    assert json.loads(line)["message"] == "accepted"
    assert json.loads(line)["service"] == "image-upload"
