"""What docs/openapi.json has of the gateway's own answers and of a part that fails: all is got."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from imagectl.keys.folder import KeyFolder
from imagectl.keys.record import Record
from pipeline.names import SCOPES
from tests.contract import Call, contract, sample
from tests.contract_edge import TOLD, Request, edge
from tests.gateway import Answer, Connection, Gateway, running_gateway
from tests.provider import PASSWORD, USER
from tests.stack import until

# Answers as a function does that fails, or whose replica did.
_TOLD = f"""
    def handle(event, context):
        status, code = event.headers.get({TOLD!r}, "200 ok").split(" ")
        if status == "200":
            return {{"statusCode": 200, "body": {{"seen": event.path}}}}
        problem = {{"type": "urn:image-pipeline:problem:" + code, "title": code.replace("-", " "),
                   "status": int(status), "detail": "as it was told"}}
        headers = {{"Content-Type": "application/problem+json", "Retry-After": "1"}}
        return {{"statusCode": int(status), "body": problem, "headers": headers}}
"""
# More than there are answered requests that Nginx still counts.
_MOST_CONNECTIONS = 8


class _Queue(BaseHTTPRequestHandler):
    """The queue of asynchronous calls, which does as the header of a call says."""

    def do_POST(self) -> None:
        head, _, _ = self.rfile.read(int(self.headers["Content-Length"])).partition(b"\n")
        told = {name.lower(): value for name, value in json.loads(head)["headers"]}
        status, code = told.get(TOLD.lower(), "202 accepted").split(" ")
        body = json.dumps(_problem(int(status), code)).encode()
        self.send_response(int(status))
        self.send_header("Content-Type", "application/problem+json")
        self.send_header("Retry-After", "1")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def _problem(status: int, code: str) -> dict[str, object]:
    kind = {"type": f"urn:image-pipeline:problem:{code}", "title": code.replace("-", " ")}
    return {**kind, "status": status, "detail": "as it was told"}


@contextmanager
def told_queue() -> Iterator[str]:
    """Start the queue; its address."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Queue)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


EDGE = edge()


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A gateway before a provider that has no function."""
    told = {"GATEWAY_CONNECTIONS": str(_MOST_CONNECTIONS)}
    with running_gateway(tmp_path_factory.mktemp("alone"), **told) as running:
        yield running


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A gateway before functions and a queue that answer what they are told to."""
    folder = tmp_path_factory.mktemp("told")
    with told_queue() as url, running_gateway(folder, ASYNC_CALLS_URL=url) as running:
        for name in ("image-upload", "image-results", "image-classifier", "guest"):
            running.provider.deploy(name, _TOLD)
        yield running


def ask(gateway: Gateway, call: Call, request: Request) -> Answer:
    login = f"{USER}:{PASSWORD}"
    lines = [
        line.replace("{login}", base64.b64encode(login.encode()).decode()) for line in request.lines
    ]
    target = request.target or sample(call.path)
    return gateway.ask(target, call.method.upper(), *lines)


@contextmanager
def all_taken(gateway: Gateway) -> Iterator[None]:
    """Have as many requests under way as one address may have."""
    head = gateway.request("/api/v1/images", "POST", "Content-Length: 10")
    held: list[Connection] = []

    def is_full() -> bool:
        # One may have been refused beside an answered request that Nginx still counted.
        held.append(Connection(gateway.port))
        held[-1].send(head)
        return gateway.ask("/docs").status == 429

    try:
        until(is_full)
        yield
    finally:
        for each in held:
            each.close()
        until(lambda: gateway.ask("/docs").status == 200)


@pytest.mark.parametrize(
    ("call", "status"),
    [pair for pair, request in EDGE.items() if not request.is_one_too_many],
    ids=str,
)
def test_it_is_answered_as_the_document_has_it(
    alone: Gateway, told: Gateway, call: Call, status: str
) -> None:
    request = EDGE[call, status]

    answer = ask(told if request.needs_function else alone, call, request)

    assert str(answer.status) == (request.told or status) or status == "default"
    assert call == contract().check(
        call.method.upper(), sample(call.path), answer.status, answer.headers, answer.body
    )


def test_one_request_too_many_is_told_so_whatever_it_is(alone: Gateway) -> None:
    calls = [
        (call, status)
        for (call, status), request in EDGE.items()
        if request.is_one_too_many and "too-many-connections" in contract().codes(call, status)
    ]

    with all_taken(alone):
        answers = {call: ask(alone, call, EDGE[call, status]).status for call, status in calls}

    assert set(answers.values()) == {429}


def test_a_key_that_has_asked_enough_is_told_so_whatever_it_is(alone: Gateway) -> None:
    folder = KeyFolder(alone.stack.keys_dir, alone.stack.keys_used_dir)
    with folder.locked():
        key, _ = folder.create(Record("", "press", SCOPES, "enough", 0, rate="1/h", burst=1))
    line = f"X-Api-Key: {key}"
    until(lambda: alone.ask("/healthz", "GET", line).status == 429)

    answers = {
        call: alone.ask(sample(call.path), call.method.upper(), line).status
        for call, status in EDGE
        if status == "429" and "rate-limited" in contract().codes(call, status)
    }

    assert set(answers.values()) == {429}
