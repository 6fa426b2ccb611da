"""The provider's own port: what no caller can do with it, whoever the caller is."""

from __future__ import annotations

import gzip
import json
from base64 import b64encode
from collections.abc import Iterator

import pytest

from local.machine import processes
from tests.gateway import MIRROR, Answer, Connection, exchange
from tests.provider import PASSWORD, USER, Provider, running_provider

LOGIN = "Authorization: Basic " + b64encode(f"{USER}:{PASSWORD}".encode()).decode()
JSON = "Content-Type: application/json"
# A few hundred kB that become a few hundred MB.
BOMB = gzip.compress(bytes(200_000_000), 1)

NESTED = b"[" * 200_000
BODIES = {
    "nested lists": NESTED,
    "nested objects": b'{"a":' * 200_000,
    "levels enough to be read": b'{"a":' * 40 + b"1" + b"}" * 40,
    "no UTF-8": b'{"service":"\xff"}',
    "half a character": b'{"service":"\\ud800","functionName":"\\ud800","name":"\\udfff"}',
    "U+0000": b'{"service":"a\\u0000b","functionName":"a\\u0000b","name":"a\\u0000b"}',
    "a long number": b'{"replicas":' + b"1" * 5000 + b"}",
    "an endless number": b'{"replicas":1e999}',
    "no number": b'{"replicas":NaN}',
    "a list": b"[]",
    "a text": b'"x"',
    "null": b"null",
    "nothing": b"",
    "a command that never ends": b'{"service":"a","image":"mirror","envProcess":"a \\"b"}',
    "much memory": b'{"service":"a","image":"mirror","limits":{"memory":"' + b"9" * 400 + b'Ti"}}',
    "many cores": b'{"service":"a","image":"mirror","requests":{"cpu":"' + b"9" * 400 + b'"}}',
    "a variable without a name": b'{"service":"a","image":"mirror","envVars":{"":"x"}}',
    "a variable that is two": b'{"service":"a","image":"mirror","envVars":{"A=B":"x"}}',
    "a namespace that is a number": b'{"service":"a","image":"mirror","namespace":5,"name":"a"}',
    "base64 of letters beyond ASCII": b'{"name":"x","rawValue":"\xc3\xa4"}',
    "a digit of another script": (
        b'{"service":"a","image":"mirror","labels":{"com.openfaas.scale.min":"\xd9\xa3"},'
        b'"replicas":"\xd9\xa3"}'
    ),
    "a secret that is a path": b'{"service":"a","image":"mirror","secrets":["../x"]}',
    "a function that is an object": b'{"service":{},"functionName":{},"name":[]}',
}
CALLS = [
    ("POST", "/system/functions"),
    ("PUT", "/system/functions"),
    ("DELETE", "/system/functions"),
    ("POST", "/system/scale-function/mirror"),
    ("POST", "/system/secrets"),
    ("PUT", "/system/secrets"),
    ("DELETE", "/system/secrets"),
]
QUERIES = {
    "a time before time": "/system/logs?name=mirror&since=0001-01-01T00:00:00%2B14:00",
    "no time": "/system/logs?name=mirror&since=yesterday",
    "very many lines": "/system/logs?name=mirror&tail=" + "1" * 5000,
    "lines in digits of another script": "/system/logs?name=mirror&tail=%D9%A3",
    "lines with a line below": "/system/logs?name=mirror&tail=1_0",
    "a namespace that is none": "/system/logs?name=mirror&namespace=%ED%A0%80",
}


@pytest.fixture(scope="module")
def provider(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Provider]:
    with running_provider(tmp_path_factory.mktemp("provider")) as running:
        running.deploy("mirror", MIRROR)
        yield running


def request(target: str, method: str, *lines: str, body: bytes = b"") -> bytes:
    head = [f"{method} {target} HTTP/1.1", "Host: provider", LOGIN, *lines]
    if body:
        head.append(f"Content-Length: {len(body)}")
    return "\r\n".join(head).encode("latin-1") + b"\r\n\r\n" + body


def ask(
    provider: Provider, target: str, method: str = "GET", *lines: str, body: bytes = b""
) -> Answer:
    return exchange(provider.port, request(target, method, *lines, body=body), method)


@pytest.mark.parametrize(("method", "target"), CALLS)
@pytest.mark.parametrize("name", BODIES)
def test_a_body_that_asks_for_nothing_possible_is_refused_in_words(
    provider: Provider, name: str, method: str, target: str
) -> None:
    answer = ask(provider, target, method, JSON, body=BODIES[name])

    assert answer.status in (400, 404), answer
    assert answer.headers["content-type"].startswith("text/plain")
    assert 5 < len(answer.body) < 400


@pytest.mark.parametrize("charset", ["bogus", "utf-16", "utf-7", "idna"])
def test_json_has_one_charset(provider: Provider, charset: str) -> None:
    line = f"Content-Type: application/json; charset={charset}"

    answer = ask(provider, "/system/secrets", "POST", line, body=b'{"name":"x","value":"y"}')

    assert answer.status == 400
    assert charset in answer.body.decode()


@pytest.mark.parametrize("name", QUERIES)
def test_a_query_that_cannot_be_read_is_refused(provider: Provider, name: str) -> None:
    answer = ask(provider, QUERIES[name])

    assert answer.status == 400
    assert len(answer.body) < 400


def test_a_body_over_a_megabyte_is_refused(provider: Provider) -> None:
    answer = ask(provider, "/system/functions", "POST", JSON, body=bytes(2_000_000))

    assert answer.status == 413
    assert b"2000000 bytes; the limit is 1048576" in answer.body


@pytest.mark.parametrize("target", ["/function/mirror", "/system/functions", "/system/secrets"])
@pytest.mark.parametrize(
    "lines",
    [
        ("Content-Encoding: gzip",),
        ("Content-Encoding: deflate",),
        ("Content-Encoding: identity", "Content-Encoding: GZIP"),
        ("Content-Encoding: identity, gzip",),
        ("content-encoding: br",),
    ],
)
def test_a_packed_body_is_refused_and_not_unpacked(
    provider: Provider, target: str, lines: tuple[str, ...]
) -> None:
    assert provider.process is not None
    before = processes.memory_bytes(provider.process.pid)

    answer = ask(provider, target, "POST", *lines, body=BOMB)

    assert answer.status == 415
    assert b"send the bytes as they are" in answer.body
    assert processes.memory_bytes(provider.process.pid) < before + 30_000_000


def test_a_function_gets_the_bytes_as_they_were_sent(provider: Provider) -> None:
    answer = ask(provider, "/function/mirror", "POST", "Content-Encoding: identity", body=b"1234")

    assert answer.seen["size"] == 4


@pytest.mark.parametrize("target", ["/nothing", "/", "/system", "/function", "/async-function"])
def test_what_no_route_answers_is_a_problem(provider: Provider, target: str) -> None:
    answer = ask(provider, target)

    assert (answer.status, answer.code) == (404, "not-found")


def test_a_path_that_can_be_read_in_two_ways_is_called_so(provider: Provider) -> None:
    assert ask(provider, "/function/mirror//x").code == "bad-target"


def test_a_wrong_method_is_told_the_right_ones(provider: Provider) -> None:
    outside, inside = ask(provider, "/healthz", "POST"), ask(provider, "/system/info", "PATCH")

    assert outside.problem["status"] == inside.status == 405
    assert outside.headers["allow"] == inside.headers["allow"] == "GET,HEAD"
    assert inside.headers["content-type"].startswith("text/plain")


UNREADABLE = {
    "no method": (b"\xff\xff /healthz HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    "a small method": (b"get /healthz HTTP/1.1\r\nHost: a\r\nAccept: text/html\r\n\r\n", 400),
    "HTTP/2.0": (b"GET /healthz HTTP/2.0\r\nHost: a\r\n\r\n", 505),
    "no host": (b"GET /healthz HTTP/1.1\r\n\r\n", 400),
    "two hosts": (b"GET /healthz HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
    "a long header": (
        b"GET /healthz HTTP/1.1\r\nHost: a\r\nX-A: " + b"a" * 20_000 + b"\r\n\r\n", 400
    ),
    "many headers": (
        b"GET /healthz HTTP/1.1\r\nHost: a\r\n" + b"X-A: a\r\n" * 1000 + b"\r\n", 400
    ),
    "a length and chunks": (
        b"POST /function/mirror HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n"
        b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400
    ),
    "two lengths": (
        b"POST /function/mirror HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n"
        b"Content-Length: 2\r\n\r\na", 400
    ),
    "chunks that are none": (
        b"POST /function/mirror HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        400,
    ),
    "an expectation": (
        b"POST /function/mirror HTTP/1.1\r\nHost: a\r\nExpect: cookies\r\n\r\n", 417
    ),
    "an expectation of nobody": (
        b"POST /nothing HTTP/1.1\r\nHost: a\r\nExpect: cookies\r\n\r\n", 417
    ),
    "a header name beyond ASCII": (
        b"GET /healthz HTTP/1.1\r\nHost: a\r\nX-\xe9Tenant: a\r\n\r\n", 400
    ),
}  # fmt: skip


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("no host", "bad-request"),
        ("HTTP/2.0", "http-version-not-supported"),
        ("an expectation", "expectation-failed"),
    ],
)
def test_what_is_wrong_has_a_name(provider: Provider, name: str, code: str) -> None:
    assert exchange(provider.port, UNREADABLE[name][0]).code == code


@pytest.mark.parametrize("name", UNREADABLE)
def test_what_cannot_be_read_is_a_problem_all_the_same(provider: Provider, name: str) -> None:
    data, status = UNREADABLE[name]

    answer = exchange(provider.port, data)

    assert answer.problem["status"] == status
    assert answer.problem["detail"]


@pytest.mark.parametrize("target", ["/function/mirror", "/readyz", "/system/functions"])
@pytest.mark.parametrize("encoding", ["gzip, chunked", "GZIP,chunked"])
def test_a_body_with_two_ways_to_end_is_refused(
    provider: Provider, target: str, encoding: str
) -> None:
    head = request(target, "POST", f"Transfer-Encoding: {encoding}")

    answer = exchange(provider.port, head + b"3\r\nabc\r\n0\r\n\r\n", "POST")

    assert answer.problem["status"] == 501
    assert answer.code == "not-implemented"
    assert repr(encoding) in answer.problem["detail"]


def test_chunks_that_break_later_are_a_problem_too(provider: Provider) -> None:
    connection = Connection(provider.port)
    connection.send(request("/function/mirror", "POST", "Transfer-Encoding: chunked"))
    connection.send(b"5\r\nhello\r\n")
    until_read = exchange(provider.port, request("/healthz", "GET"))  # the head has been read
    connection.send(b"zz\r\n")

    assert until_read.status == 200
    assert connection.read().problem["status"] == 400
    connection.close()


@pytest.mark.parametrize(
    "target",
    ["/system/logs?name=mirror", "/system/logs?name=mirror&follow=true", "/system/functions",
     "/system/info", "/function/mirror", "/function/nobody", "/healthz", "/metrics", "/nothing",
     "/function/mirror/metrics", "/function/mirror/_/health"],
)  # fmt: skip
def test_head_is_answered_without_a_body(provider: Provider, target: str) -> None:
    connection = Connection(provider.port)
    connection.send(request(target, "HEAD"))
    connection.read("HEAD")
    connection.send(request("/function/mirror/next", "GET"))

    assert connection.read().seen["path"] == "/next"
    connection.close()


def test_a_header_is_passed_on_byte_by_byte(provider: Provider) -> None:
    lines = ("X-One: caf\xe9", "X-Two: caf\xc3\xa9", "X-Call-Id: \xff")

    answer = ask(provider, "/function/mirror", "POST", *lines, body=b"x")

    headers = dict(answer.seen["headers"])
    assert (headers["X-One"], headers["X-Two"]) == ("caf\xe9", "caf\xc3\xa9")  # read as Latin-1
    assert json.dumps(answer.headers["x-call-id"]).isascii()
