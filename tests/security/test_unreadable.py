"""What the gateway says to requests that it cannot read: a problem, and then nothing more."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.gateway import Connection, Gateway, exchange, running_gateway

UNREADABLE = {
    "a method in small letters": (b"get /healthz HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    "a method that is none": (b"G\xe9T /healthz HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    "TLS": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400),
    "HTTP/2.0": (b"GET /healthz HTTP/2.0\r\nHost: a\r\n\r\n", 505),
    "HTTP/1.2": (b"GET /healthz HTTP/1.2\r\nHost: a\r\n\r\n", 400),
    "HTTP/one": (b"GET /healthz HTTP/one\r\nHost: a\r\n\r\n", 400),
    "no host": (b"GET /healthz HTTP/1.1\r\n\r\n", 400),
    "two hosts": (b"GET /healthz HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
    "a host that is none": (b"GET /healthz HTTP/1.1\r\nHost: a/b\r\n\r\n", 400),
    "a line of 9,000 bytes": (b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\nHost: a\r\n\r\n", 414),
    "a line of 5,000 bytes": (b"GET /" + b"a" * 5000 + b" HTTP/1.1\r\nHost: a\r\n\r\n", 414),
    "a header of 9,000 bytes": (
        b"GET /healthz HTTP/1.1\r\nHost: a\r\nX-A: " + b"a" * 9000 + b"\r\n\r\n", 431
    ),
    "headers of 40,000 bytes": (
        b"GET /healthz HTTP/1.1\r\nHost: a\r\n" + b"X-A: a\r\n" * 5000 + b"\r\n", 431
    ),
    "a folded header": (b"GET /healthz HTTP/1.1\r\nHost: a\r\nX-A: a\r\n b\r\n\r\n", 400),
    "a header with U+0000": (b"GET /healthz HTTP/1.1\r\nHost: a\r\nX-A: a\0b\r\n\r\n", 400),
    "a length and chunks": (
        b"POST /readyz HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n"
        b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400
    ),
    "two lengths": (
        b"POST /readyz HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\na", 400
    ),
    "a negative length": (
        b"POST /readyz HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n", 400
    ),
    "an unknown transfer encoding": (
        b"POST /readyz HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n", 501
    ),
    "chunked twice": (
        b"POST /readyz HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, chunked\r\n\r\n", 501
    ),
    "TRACE": (b"TRACE /healthz HTTP/1.1\r\nHost: a\r\n\r\n", 405),
    "CONNECT": (b"CONNECT a:80 HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    "PROPFIND": (b"PROPFIND /healthz HTTP/1.1\r\nHost: a\r\n\r\n", 405),
}  # fmt: skip


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with running_gateway(tmp_path_factory.mktemp("gateway"), "guest") as running:
        yield running


@pytest.mark.parametrize("name", UNREADABLE)
def test_what_cannot_be_read_is_a_problem_all_the_same(gateway: Gateway, name: str) -> None:
    data, status = UNREADABLE[name]

    answer = exchange(gateway.port, data)

    assert answer.status == status
    assert answer.problem["detail"]


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("no host", "bad-request"),
        ("HTTP/2.0", "bad-target"),
        ("a line of 9,000 bytes", "target-too-long"),
        ("a header of 9,000 bytes", "headers-too-large"),
        ("an unknown transfer encoding", "not-implemented"),
        ("PROPFIND", "method-not-allowed"),
    ],
)
def test_what_is_wrong_has_a_name(gateway: Gateway, name: str, code: str) -> None:
    assert exchange(gateway.port, UNREADABLE[name][0]).code == code


def test_a_condition_that_does_not_hold_is_a_problem(gateway: Gateway) -> None:
    answer = gateway.ask("/healthz", "GET", 'If-Match: "x"')

    assert (answer.status, answer.code) == (412, "precondition-failed")


def test_a_request_without_a_version_is_answered_without_headers(gateway: Gateway) -> None:
    connection = Connection(gateway.port)
    connection.send(b"GET /healthz\r\n")

    assert connection.rest().startswith(b'{"type":"urn:image-pipeline:problem:bad-target"')
    connection.close()


@pytest.mark.parametrize("target", ["/healthz", "/readyz"])
def test_a_wrong_method_is_told_the_right_ones(gateway: Gateway, target: str) -> None:
    answer = gateway.ask(target, "POST", body=b"x")

    assert answer.status == 405
    assert answer.headers["allow"] == answer.problem["allowed"] == "GET, HEAD"


@pytest.mark.parametrize(
    ("target", "method", "line"),
    [
        ("/function/guest", "POST", "X-A: a"),
        ("/function/guest", "FOO", "X-A: a"),
        ("/function/guest", "POST", "X-Api-Key: x"),
        ("/function/guest", "POST", "Content-Encoding: gzip"),
        ("/function/guest//", "POST", "X-A: a"),
        ("/" + "a" * 5000, "POST", "X-A: a"),
        ("/function/guest/metrics", "POST", "X-A: a"),
        ("/healthz", "POST", "X-A: a"),
        ("/healthz", "GET", "X-A: a"),
        ("/_problem/unreadable", "POST", "X-A: a"),
    ],
)
def test_chunks_that_are_none_end_the_connection(
    gateway: Gateway, target: str, method: str, line: str
) -> None:
    head = gateway.request(target, method, line, "Transfer-Encoding: chunked")
    for garbage in (b"zz\r\n", b"5\r\nhello!!\r\n", b"fffffffffffffffff\r\n", b"-1\r\n"):
        connection = Connection(gateway.port)
        connection.send(head + garbage)

        answer = connection.read()

        assert answer.problem["status"] < 500
        assert connection.rest() == b""
        connection.close()
