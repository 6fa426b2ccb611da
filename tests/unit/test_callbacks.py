"""Where answers may be sent: to what the setting names, however it is spelt otherwise."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from callbacks import CallbackFailed, Callbacks
from pipeline.errors import Rejected, SettingsError
from pipeline.events.calls import Answer, FunctionCalled, Payload
from tests.samples import called

ALLOWED = "http://hooks.example:8000/in, https://other.example,http://127.0.0.1:9/a/"


def callbacks(allowed: str = ALLOWED) -> Callbacks:
    return Callbacks(allowed, seconds=5.0)


@pytest.mark.parametrize(
    "url",
    [
        "http://hooks.example:8000/in",
        "http://hooks.example:8000/in/1?a=b&c=%20d",
        "https://other.example",
        "https://other.example:443/any/thing",
        "http://127.0.0.1:9/a/b",
    ],
)
def test_what_the_setting_names_and_what_lies_below_is_allowed(url: str) -> None:
    callbacks().check(url)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "http://hooks.example:8000/",
        "http://hooks.example:8000/inside",
        "http://hooks.example:8000/in/../admin",
        "http://hooks.example:8000/in/%2e%2e/admin",
        "http://hooks.example:8000/in/%2E%2E%2Fadmin",
        "http://hooks.example:8000/in//b",
        "http://hooks.example:8000/in\\..\\admin",
        "http://hooks.example:8000/in/%5c..",
        "http://hooks.example:8000/in/%252e%252e/",
        "http://hooks.example:8000/in#@evil",
        "http://hooks.example:8000/in\r\nX-A: b",
        "http://hooks.example:8000/in?a b",
        "http://hooks.example/in",
        "http://hooks.example:8001/in",
        "https://hooks.example:8000/in",
        "http://HOOKS.example:8000/in",
        "http://hooks.example.:8000/in",
        "http://hooks.example:08000/in",
        "http://hooks.example:80000/in",
        "http://user@hooks.example:8000/in",
        "http://hooks.example:8000@evil/in",
        "http://evil/hooks.example:8000/in",
        "http://hooks.example.evil:8000/in",
        "http://other.example/",
        "http://127.1:9/a/b",
        "http://2130706433:9/a/b",
        "http://0x7f000001:9/a/b",
        "http://localhost:9/a/b",
        "http://[::1]:9/a/b",
        "http://[::ffff:127.0.0.1]:9/a/b",
        "http://127.0.0.1:9/a",
        "ftp://other.example/",
        "file:///etc/passwd",
        "//hooks.example:8000/in",
        "http:hooks.example:8000/in",
        " http://hooks.example:8000/in",
        "http://hooks.example:8000/in/" + "a" * 3000,
        "http://h\u00f6oks.example:8000/in",
    ],
)
def test_whatever_else_is_refused_and_told_what_is_allowed(url: str) -> None:
    with pytest.raises(Rejected, match=r"hooks\.example:8000/in") as refused:
        callbacks().check(url)

    assert refused.value.code == "callback-not-allowed"


def test_nothing_is_allowed_by_default_and_the_refusal_says_so() -> None:
    with pytest.raises(Rejected, match="ASYNC_CALLBACK_URLS is not set"):
        callbacks("").check("http://hooks.example:8000/in")


@pytest.mark.parametrize("wrong", ["hooks.example", "http://", "http://A.example", "http://a/?b"])
def test_a_setting_that_is_no_address_ends_the_start(wrong: str) -> None:
    with pytest.raises(SettingsError, match="ASYNC_CALLBACK_URLS"):
        callbacks(wrong)


class Server(ThreadingHTTPServer):
    """Says a status to every request, and keeps where it was asked."""

    status = 200
    asked: list[str]

    def __init__(self) -> None:
        self.asked = []
        super().__init__(("127.0.0.1", 0), Handler)


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.server.asked.append(self.path)
        self.send_response(self.server.status)
        self.send_header("Location", f"http://127.0.0.1:{self.server.server_port}/elsewhere")
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


@pytest.fixture
def server() -> Iterator[Server]:
    started = Server()
    threading.Thread(target=started.serve_forever, daemon=True).start()
    yield started
    started.shutdown()
    started.server_close()


def answered(server: Server, path: str = "/") -> FunctionCalled:
    answer = Answer(200, (("Content-Type", "text/plain"),), Payload.of(b"a"), 0.25)
    url = f"http://127.0.0.1:{server.server_port}{path}"
    return replace(called(), callback_url=url, answer=answer)


def test_a_redirect_is_a_failure_and_is_not_followed(server: Server) -> None:
    server.status = 302
    base = f"http://127.0.0.1:{server.server_port}"

    with pytest.raises(CallbackFailed, match="answered 302"):
        callbacks(base).send(answered(server), b"a")

    assert server.asked == ["/"]


def test_an_address_that_is_allowed_no_more_is_not_called(server: Server) -> None:
    with pytest.raises(Rejected):
        callbacks().send(answered(server), b"a")

    assert server.asked == []


def test_nobody_there_is_a_failure(server: Server) -> None:
    call = answered(server)
    server.shutdown()
    server.server_close()

    with pytest.raises(CallbackFailed, match="ConnectionRefusedError"):
        callbacks(call.callback_url).send(call, b"a")
