"""Asynchronous calls as the gateway passes them on where there is no provider of ours."""

from __future__ import annotations

import io
import json
from typing import Any
from wsgiref.headers import Headers

import pytest

from direct import Direct
from door import Door
from pipeline.errors import PipelineError, Unavailable
from pipeline.events.calls import FunctionCalled
from pipeline.http.health import RAW_HEADERS, RAW_TARGET

MOST_BYTES = 100
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


class StubAcceptance:
    """Keeps what it is handed."""

    def __init__(self, error: PipelineError | None = None) -> None:
        self.error = error
        self.taken: list[tuple[dict[str, Any], bytes]] = []

    def accept(self, document: bytes) -> FunctionCalled:
        if self.error:
            raise self.error
        head, _, body = document.partition(b"\n")
        self.taken.append((json.loads(head), body))
        return FunctionCalled("id", "call", "env", "POST", "/", (), body=None, accepted_at="")  # type: ignore[arg-type]


def ask(
    acceptance: StubAcceptance,
    target: str = "/async-function/env",
    method: str = "POST",
    headers: tuple[tuple[str, str], ...] = (),
    body: bytes = b"hello",
) -> tuple[str, Headers, bytes]:
    answer: list[Any] = []
    environ = {
        "REQUEST_METHOD": method,
        "CONTENT_LENGTH": str(len(body)),
        "wsgi.input": io.BufferedReader(io.BytesIO(body)),
        RAW_TARGET: target,
        RAW_HEADERS: list(headers),
        **{f"HTTP_{name.upper().replace('-', '_')}": value for name, value in headers},
    }
    direct = Direct(Door(acceptance, MOST_BYTES))  # type: ignore[arg-type]
    pieces = direct(environ, lambda status, fields: answer.extend((status, Headers(fields))))
    return answer[0], answer[1], b"".join(pieces)


@pytest.mark.parametrize(
    ("target", "name", "path"),
    [
        ("/async-function/env", "env", "/"),
        ("/async-function/env?a=%20b", "env", "/?a=%20b"),
        ("/async-function/env.openfaas-fn/x/%C3%A9?q", "env.openfaas-fn", "/x/%C3%A9?q"),
    ],
)
def test_a_call_is_taken_as_it_was_made(target: str, name: str, path: str) -> None:
    acceptance = StubAcceptance()
    sent = (("X-Call-Id", "mine"), ("Accept", "a"), ("Accept", "b"))

    status, headers, body = ask(acceptance, target, headers=sent)

    assert (status, body) == ("202 Accepted", b"")
    assert headers["X-Call-Id"] == "mine"
    ((head, taken),) = acceptance.taken
    assert taken == b"hello"
    assert (head["function"], head["path"], head["method"]) == (name, path, "POST")
    assert [tuple(each) for each in head["headers"]][:3] == list(sent)
    assert head["headers"][-1] == ["X-Start-Time", headers["X-Start-Time"]]


@pytest.mark.parametrize("given", ["", "two words", "x" * 201])
def test_a_call_without_a_name_gets_one(given: str) -> None:
    acceptance = StubAcceptance()

    _, headers, _ = ask(acceptance, headers=(("X-Call-Id", given),))

    assert headers["X-Call-Id"] == acceptance.taken[0][0]["callId"] != given
    assert len(headers["X-Call-Id"] or "") == 36


@pytest.mark.parametrize(
    ("target", "method", "status"),
    [
        ("/async-function/", "POST", "404 not-found"),
        ("/async-function//x", "POST", "404 not-found"),
        ("/async-function/env", "GET", "405 method-not-allowed"),
    ],
)
def test_what_is_no_call_is_refused(target: str, method: str, status: str) -> None:
    acceptance = StubAcceptance()

    answered, headers, _ = ask(acceptance, target, method)

    assert answered == status
    assert headers["X-Call-Id"]
    assert acceptance.taken == []


def test_a_refusal_names_its_trace_and_its_call() -> None:
    acceptance = StubAcceptance(Unavailable("the queue is full", retry_after_seconds=30))
    sent = (("traceparent", f"00-{TRACE}-00f067aa0ba902b7-01"), ("X-Call-Id", "mine"))

    status, headers, body = ask(acceptance, headers=sent)

    assert status.startswith("503 ")
    assert (headers["Retry-After"], headers["X-Call-Id"]) == ("30", "mine")
    assert json.loads(body)["traceId"] == TRACE


def test_a_body_too_large_is_refused_unread() -> None:
    acceptance = StubAcceptance()

    status, _, _ = ask(acceptance, body=b"x" * 1_000_000)

    assert status.startswith("413 ")
    assert acceptance.taken == []
