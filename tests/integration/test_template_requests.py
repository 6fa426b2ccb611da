"""What the template's server makes of requests that no ordinary client sends."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.provider import PATIENCE_SECONDS, eventually
from tests.raw_http import Answer, answers, ask, exchange
from tests.template_server import Server

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
HOST = b"Host: a\r\n"
CLOSE = b"Connection: close\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder: Path = tmp_path_factory.mktemp("template") / "server"
    server = Server(folder, MAX_BODY_BYTES="300000", RECEIVE_TIMEOUT="1", MAX_HELD_BYTES="350000")
    try:
        eventually(server.is_up)
        yield server
    finally:
        server.close()


def line(text: bytes, *headers: bytes) -> bytes:
    return text + b"\r\n" + b"".join(headers) + CLOSE + b"\r\n"


def get(*headers: bytes, path: bytes = b"/") -> bytes:
    return line(b"GET " + path + b" HTTP/1.1", HOST, *headers)


def post(*headers: bytes) -> bytes:
    return line(b"POST / HTTP/1.1", HOST, *headers)


REFUSED = {
    "no request line": (b"nonsense\r\n\r\n", 400),
    "a method in lower case": (b"get / HTTP/1.1\r\n\r\n", 400),
    "no version": (line(b"GET /"), 505),
    "a version of the future": (line(b"GET / HTTP/2.0", HOST), 505),
    "no number of a version": (line(b"GET / HTTP/x", HOST), 400),
    "an address that is none": (line(b"GET http://[x/ HTTP/1.1", HOST), 400),
    "a path that is no UTF-8": (get(path=b"/%ff"), 400),
    "bytes in a path": (get(path=b"/\xff"), 400),
    "a tab in a path": (get(path=b"/_/hea\tlth"), 400),
    "no header": (get(b"no colon\r\n"), 400),
    "a null in a header": (get(b"A: \0\r\n"), 400),
    "a space before the colon": (get(b"A : b\r\n"), 400),
    "no host": (line(b"GET / HTTP/1.1"), 400),
    "two hosts": (get(HOST), 400),
    "large headers": (get(b"A: " + b"x" * 70_000 + b"\r\n"), 431),
    "many headers": (get(b"A: b\r\n" * 101), 431),
    "a length that is none": (post(b"Content-Length: +1\r\n"), 400),
    "two lengths": (post(b"Content-Length: 1\r\n" * 2), 400),
    "a length of 5,000 digits": (post(b"Content-Length: " + b"9" * 5000 + b"\r\n"), 400),
    "an enormous length": (post(b"Content-Length: 999999999999\r\n"), 413),
    "an enormous length, awaited": (
        post(b"Content-Length: 999999999999\r\nExpect: 100-continue\r\n"),
        413,
    ),
    "a wrong length, awaited": (post(b"Expect: 100-continue\r\nContent-Length: x\r\n"), 400),
    "a length and chunks": (post(b"Content-Length: 5\r\n", CHUNKED) + b"0\r\n\r\n", 400),
    "chunks in HTTP/1.0": (line(b"POST / HTTP/1.0", CHUNKED) + b"0\r\n\r\n", 400),
    "chunked chunks": (post(CHUNKED, CHUNKED) + b"0\r\n\r\n", 400),
    "no encoding": (post(b"Transfer-Encoding:\r\nContent-Length: 1\r\n") + b"x", 400),
    "another encoding": (post(b"Transfer-Encoding: gzip\r\n"), 501),
    "another encoding in chunks": (post(b"Transfer-Encoding: gzip, chunked\r\n"), 501),
    "no chunk": (post(CHUNKED) + b"zz\r\n", 400),
    "a chunk that is too long": (post(CHUNKED) + b"1\r\nxyz\r\n0\r\n\r\n", 400),
    "chunks of one byte": (post(CHUNKED) + b"1\r\nx\r\n" * 55_000, 400),
    "nothing but ends of lines": (post(CHUNKED) + b"\r\n" * 136_000, 400),
    "an endless chunk extension": (post(CHUNKED) + b"1;" + b"x" * 272_000, 400),
    "an unknown method": (line(b"BREW / HTTP/1.1", HOST), 405),
    "a trace": (line(b"TRACE / HTTP/1.1", HOST), 405),
    "a probe that is written to": (line(b"POST /_/health HTTP/1.1", HOST), 405),
    "a readiness that is written to": (line(b"PUT /_/ready HTTP/1.1", HOST), 405),
    "metrics that are written to": (line(b"DELETE /metrics HTTP/1.1", HOST), 405),
    "a handler that fails": (get(path=b"/fail"), 500),
}


@pytest.mark.parametrize(("sent", "status"), REFUSED.values(), ids=REFUSED)
def test_what_is_refused_is_a_problem_of_our_own(server: Server, sent: bytes, status: int) -> None:
    answer = ask(server.port, sent)

    assert answer.status == answer.problem["status"] == status


HEADS = [
    (line(b"HEAD /fail HTTP/1.1", HOST), 500),
    (line(b"HEAD /_/ready HTTP/1.1", HOST), 503),
    (line(b"HEAD / HTTP/1.1", HOST, b"no colon\r\n"), 400),
    (line(b"HEAD / HTTP/9.9", HOST), 505),
    (line(b"HEAD  ", HOST), 400),
    (line(b"HEAD / HTTP/1.1", HOST, b"A: b\r\n" * 101), 431),
    (line(b"HEAD / HTTP/1.1", HOST, b"A: " + b"x" * 70_000 + b"\r\n"), 431),
    (line(b"HEAD / HTTP/1.1", HOST, b"Content-Length: 999999999999\r\n"), 413),
    (line(b"HEAD / HTTP/1.1", HOST), 200),
]


@pytest.mark.parametrize(("sent", "status"), HEADS)
def test_a_head_is_answered_without_a_body(server: Server, sent: bytes, status: int) -> None:
    head, _, body = exchange(server.port, sent, is_last=False).partition(b"\r\n\r\n")

    assert head.split()[1] == str(status).encode()
    assert body == b""


def test_who_is_refused_a_method_is_told_the_others(server: Server) -> None:
    answer = ask(server.port, line(b"BREW / HTTP/1.1", HOST))
    probe = ask(server.port, line(b"OPTIONS /_/health HTTP/1.1", HOST))

    everything = "DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT"
    assert answer.headers["allow"] == answer.problem["allowed"] == everything
    assert (answer.problem["found"], answer.code) == ("BREW", "method-not-allowed")
    assert probe.headers["allow"] == "GET, HEAD"


def test_a_refusal_keeps_the_trace_that_could_be_read(server: Server) -> None:
    traceparent = f"traceparent: 00-{TRACE}-00f067aa0ba902b7-01\r\n".encode()
    broken = b"traceparent: a-<script>-b-c\r\n"

    assert ask(server.port, post(traceparent, b"Content-Length: x\r\n")).problem["traceId"] == TRACE
    assert ask(server.port, line(b"BREW / HTTP/1.1", HOST, traceparent)).problem["traceId"] == TRACE
    assert "traceId" not in ask(server.port, line(b"BREW / HTTP/1.1", HOST, broken)).problem


def test_a_limit_is_told_with_what_was_found(server: Server) -> None:
    body = ask(server.port, post(b"Content-Length: 999999999999\r\n")).problem
    headers = ask(server.port, get(b"A: " + b"x" * 70_000 + b"\r\n")).problem

    assert (body["found"], body["allowed"]) == (999_999_999_999, 300_000)
    assert headers["allowed"] == 65_536


@pytest.mark.parametrize(
    "first",
    [
        b"GET / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc",
        b"POST / HTTP/1.1\r\nHost: a\r\n" + CHUNKED + b"\r\n3\r\nabc\r\n0\r\nA: b\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc",
        b"\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
    ],
)
def test_the_next_answer_is_that_of_the_next_request(server: Server, first: bytes) -> None:
    second = line(b"GET /echo?q=2 HTTP/1.1", HOST, b"X-Given: second\r\n")

    received = exchange(server.port, first + second, is_last=False)

    one, two = answers(received, ["GET", "GET"])
    assert (one.status, one.body) == (200, b"hello")
    assert (two.status, two.headers["x-given"]) == (201, "second")


@pytest.mark.parametrize(
    "sent",
    [
        b"GET / HT",
        b"GET / HTTP/1.1\r\nHost: a\r\n",
        b"GET / HTTP/1.1\nHost: a\n\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc",
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",
    ],
)
def test_who_does_not_go_on_is_answered_and_cut_off(server: Server, sent: bytes) -> None:
    answer: Answer = ask(server.port, sent)

    assert (answer.status, answer.code) == (408, "request-too-slow")


def test_a_request_behind_a_slow_one_has_its_own_time(server: Server) -> None:
    slow = b"GET /wait/slow HTTP/1.1\r\nHost: a\r\n\r\n"
    next_begun, next_rest = b"GET /echo?q=1 HTTP/1.1\r\nHost: a\r\n", b"X-Given: next\r\n" + CLOSE
    with socket.create_connection(("127.0.0.1", server.port), PATIENCE_SECONDS) as connection:
        connection.sendall(slow + next_begun)
        eventually((server.folder / "slow.begun").exists)
        late = ask(server.port, b"GET / HT")  # takes as long as a request may take to come
        server.may_end("slow")

        connection.sendall(next_rest + b"\r\n")

        received = b"".join(iter(lambda: connection.recv(1 << 16), b""))
    assert late.status == 408
    assert [answer.status for answer in answers(received, ["GET", "GET"])] == [200, 201]


def test_many_connections_that_say_nothing_keep_nobody_out(server: Server) -> None:
    silent = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(400)]
    try:
        assert ask(server.port, get()).status == 200
    finally:
        for connection in silent:
            connection.close()


def test_bodies_in_flight_are_bounded(server: Server) -> None:
    body = b"x" * 200_000
    post_to = f"POST /wait/held HTTP/1.1\r\nHost: a\r\nContent-Length: {len(body)}\r\n"
    with socket.create_connection(("127.0.0.1", server.port)) as first:
        first.sendall(post_to.encode() + CLOSE + b"\r\n" + body)
        eventually((server.folder / "held.begun").exists)

        second = ask(server.port, post(b"Content-Length: 200000\r\n") + body)
        small = ask(server.port, post(b"Content-Length: 9\r\n") + body[:9])
        server.may_end("held")

        assert first.recv(1 << 16).startswith(b"HTTP/1.1 200")
    assert (second.status, second.code) == (429, "too-many-requests")
    assert second.problem["allowed"] == 350_000
    assert small.status == 200
    assert (
        eventually(lambda: ask(server.port, post(b"Content-Length: 200000\r\n") + body).status)
        == 200
    )
