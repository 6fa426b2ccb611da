"""What the gateway makes of errors that OpenFaaS' own gateway says in words of its own."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tests.gateway import Answer, Gateway, exchange
from tests.provider import Provider

IMAGES = "/api/v1/images"
# Every location that leads to a function of ours.
OURS = (
    ("POST", IMAGES),
    ("GET", f"{IMAGES}/{'a' * 64}"),
    ("GET", "/api/v1/jobs/anything"),
    ("POST", "/api/v1/jobs/anything/cancel"),
    ("POST", "/upload/"),
    ("POST", "/api/classify"),
    ("GET", "/api/results/anything"),
)
WORDS = (
    (404, b"error finding function image-upload.openfaas-fn", "function-not-found"),
    (429, b"Too many requests\n", "too-many-requests"),
    (500, b"Can't reach service for: image-upload.openfaas-fn.", "internal"),
    (502, b"", "function-broke-off"),
    (503, b"x" * 300_000, "unavailable"),
    (504, b"context deadline exceeded", "function-too-slow"),
)


@dataclass
class OpenFaas:
    """Says what a test wants said.

    Attributes:
        headers: beside Content-Length.
    """

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    port: int = 0


@pytest.fixture(scope="module")
def openfaas() -> Iterator[OpenFaas]:
    told = OpenFaas()

    class Said(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            self.send_response(told.status)
            for name, text in told.headers.items():
                self.send_header(name, text)
            self.send_header("Content-Length", str(len(told.body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(told.body)

        do_HEAD = do_POST = do_GET

        def log_message(self, *_: object) -> None:
            """Keep the test's output to itself."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Said)
    told.port = server.server_port
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield told
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(scope="module")
def gateway(openfaas: OpenFaas, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    provider = Provider(tmp_path_factory.mktemp("gateway"))
    provider.port = openfaas.port
    running = Gateway(provider)
    with pytest.MonkeyPatch.context() as patched:
        # That calls for later go elsewhere is what tells that OpenFaaS itself is behind.
        patched.setenv("ASYNC_CALLS_ADDRESS", f"127.0.0.1:{openfaas.port}")
        running.start()
    yield running
    running.stop()


def says(
    openfaas: OpenFaas, status: int, body: bytes, kind: str | None = "text/plain; charset=utf-8"
) -> None:
    openfaas.status, openfaas.body = status, body
    openfaas.headers = {"Content-Type": kind} if kind else {}


def sends(gateway: Gateway, path: str, method: str) -> Answer:
    """Send what docs/openapi.json knows, with its answer held against it."""
    answer = gateway.ask(path, method, body=b"picture" if method == "POST" else b"")
    kind, _, charset = answer.headers["content-type"].partition(";")
    assert charset in ("", " charset=utf-8")  # what OpenFaaS has said before
    return replace(answer, headers={**answer.headers, "content-type": kind})


def asks(gateway: Gateway, path: str) -> Answer:
    """Ask for what no document of ours has."""
    return exchange(gateway.port, gateway.request(path))


@pytest.mark.parametrize(("method", "path"), OURS)
def test_its_words_become_a_problem_wherever_they_come(
    gateway: Gateway, openfaas: OpenFaas, method: str, path: str
) -> None:
    says(openfaas, 502, b"own words")

    answer = sends(gateway, path, method)

    assert (answer.status, answer.code) == (502, "function-broke-off")
    assert answer.headers["retry-after"] == "2"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.problem["traceId"] == answer.headers["x-trace-id"]


@pytest.mark.parametrize(("status", "body", "code"), WORDS)
@pytest.mark.parametrize("kind", ["text/plain; charset=utf-8", None])
def test_whatever_they_are(
    gateway: Gateway, openfaas: OpenFaas, status: int, body: bytes, code: str, kind: str | None
) -> None:
    says(openfaas, status, body, kind)

    answer = sends(gateway, IMAGES, "POST")

    assert (answer.status, answer.code) == (status, code)
    assert not body or body not in answer.body


def test_the_head_of_one_is_that_of_the_problem(gateway: Gateway, openfaas: OpenFaas) -> None:
    says(openfaas, 503, b"own words")

    answer = sends(gateway, "/api/v1/jobs/anything", "HEAD")

    assert answer.status == 503
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("size", [0, 7, 300_000])
def test_what_functions_answer_comes_through_as_it_is(
    gateway: Gateway, openfaas: OpenFaas, size: int
) -> None:
    picture = bytes(number % 251 for number in range(size))
    says(openfaas, 200, picture, "image/jpeg")

    answer = gateway.ask(f"{IMAGES}/{'a' * 64}/original")

    assert (answer.status, answer.body) == (200, picture)
    assert answer.headers["content-type"] == "image/jpeg"


@pytest.mark.parametrize("status", [400, 404, 429, 500, 503])
def test_so_do_the_problems_of_functions(gateway: Gateway, openfaas: OpenFaas, status: int) -> None:
    said = {"type": "urn:image-pipeline:problem:internal", "title": "internal", "status": status}
    says(openfaas, status, json.dumps(said).encode(), "application/problem+json")

    answer = asks(gateway, "/api/v1/jobs/anything")

    assert (answer.status, answer.problem) == (status, said)


def test_readiness_and_functions_called_by_name_are_left_as_they_are(
    gateway: Gateway, openfaas: OpenFaas
) -> None:
    says(openfaas, 500, b"own words")

    answers = [asks(gateway, path) for path in ("/readyz", "/function/image-upload")]

    assert [(each.status, each.body) for each in answers] == [(500, b"own words")] * 2
