"""Several requests on one connection, and servers that do not do as they should."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest

from pipeline.storage.connections import Connections, Request

GET = Request("GET", b"GET / HTTP/1.1\r\n\r\n", b"", "GET /")
HEAD = Request("HEAD", b"HEAD / HTTP/1.1\r\n\r\n", b"", "HEAD /")
# Both sides wait so long for what must come; clients so short for what must not.
PATIENCE_SECONDS = 60.0
SHORT_SECONDS = 0.5


@contextmanager
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(PATIENCE_SECONDS)
        yield listening


def client_of(listening: socket.socket, seconds: float = PATIENCE_SECONDS) -> Connections:
    return Connections(f"127.0.0.1:{listening.getsockname()[1]}", seconds)


@contextmanager
def server(
    *scripts: bytes | None, seconds: float = PATIENCE_SECONDS
) -> Iterator[tuple[Connections, Callable[[], int]]]:
    """Answer each connection with its script, then close it; None: say nothing.

    Args:
        seconds: how long the client waits.
    """
    seen: list[socket.socket] = []

    def serve(listening: socket.socket) -> None:
        for script in scripts:
            connected, _ = listening.accept()
            seen.append(connected)
            connected.recv(1 << 16)
            if script is not None:
                connected.sendall(script)
                connected.shutdown(socket.SHUT_WR)

    with listener() as listening:
        thread = threading.Thread(target=serve, args=[listening])
        thread.start()
        try:
            yield client_of(listening, seconds), lambda: len(seen)
        finally:
            thread.join()
            for each in seen:
                each.close()


def answer(body: bytes, extra: bytes = b"") -> bytes:
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n%s\r\n%s" % (len(body), extra, body)


def test_answers_come_in_the_order_of_the_requests() -> None:
    head = b"HTTP/1.1 404 Not Found\r\nContent-Length: 7\r\n\r\n"
    chunked = (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
        b"3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nTrailer: 1\r\n\r\n"
    )
    with server(answer(b"one") + head + chunked + answer(b"four")) as (connections, seen):
        answers = connections.exchange([GET, HEAD, GET, GET])

    assert [each.body for each in answers] == [b"one", b"", b"abcde", b"four"]
    assert [each.status for each in answers] == [200, 404, 200, 200]
    assert answers[1].headers["content-length"] == "7"
    assert seen() == 1


def test_nothing_is_answered_by_nothing() -> None:
    with listener() as listening:
        assert client_of(listening).exchange([]) == []


@pytest.mark.parametrize(
    "broken",
    [b"", answer(b"one"), answer(b"one") + b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort"],
    ids=["nothing", "one of two", "cut"],
)
def test_what_breaks_off_is_asked_once_more_in_whole(broken: bytes) -> None:
    with server(broken, answer(b"one") + answer(b"two")) as (connections, seen):
        answers = connections.exchange([GET, GET])

    assert [each.body for each in answers] == [b"one", b"two"]
    assert seen() == 2


def test_what_breaks_off_twice_is_an_error() -> None:
    with server(b"", b"") as (connections, _), pytest.raises(ConnectionError):
        connections.exchange([GET])


@pytest.mark.parametrize(
    "said",
    [b"220 mail\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n"],
    ids=["another protocol", "length"],
)
def test_an_answer_that_is_no_http_is_an_error(said: bytes) -> None:
    with (
        server(said, said) as (connections, _),
        pytest.raises(ConnectionError, match="no HTTP"),
    ):
        connections.exchange([GET])


def test_a_server_that_says_nothing_is_not_asked_again() -> None:
    with server(None, seconds=SHORT_SECONDS) as (connections, seen), pytest.raises(TimeoutError):
        connections.exchange([GET])

    assert seen() == 1


def test_a_connection_that_the_server_ends_is_not_used_again() -> None:
    closing = answer(b"one", b"Connection: close\r\n")
    with server(closing, answer(b"two")) as (connections, seen):
        first = connections.exchange([GET])
        second = connections.exchange([GET])

    assert (first[0].body, second[0].body) == (b"one", b"two")
    assert seen() == 2


@contextmanager
def asked_server(before: bytes, after: bytes) -> Iterator[tuple[Connections, list[bytes]]]:
    """Say something when the head has come, and something when the whole body has."""
    taken: list[bytes] = []

    def serve(listening: socket.socket) -> None:
        connected, _ = listening.accept()
        with connected, connected.makefile("rb") as sent:
            taken.append(b"".join(iter(sent.readline, b"\r\n")))
            connected.sendall(before)
            if after:
                taken.append(sent.read(len(LARGE.body)))
                connected.sendall(after)

    with listener() as listening, ThreadPoolExecutor(1) as pool:
        served = pool.submit(serve, listening)
        yield client_of(listening), taken
        served.result()


LARGE = Request("PUT", b"PUT / HTTP/1.1\r\n\r\n", b"x" * 10_000_000, "PUT /")
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


@pytest.mark.parametrize(
    ("before", "after"),
    [(CONTINUE, answer(b"")), (b"", answer(b"")), (b"", CONTINUE + answer(b""))],
    ids=["wanted", "not answered", "answered late"],
)
def test_a_body_that_is_wanted_follows(before: bytes, after: bytes) -> None:
    with asked_server(before, after) as (connections, taken):
        (answered,) = connections.exchange([LARGE])

    assert answered.status == 200
    assert b"expect: 100-continue\r\n" in taken[0]
    assert taken[1] == LARGE.body


def test_a_body_that_is_refused_is_not_sent_and_its_answer_is_read() -> None:
    refusal = b"HTTP/1.1 412 Precondition Failed\r\nContent-Length: 3\r\n\r\nhad"

    with asked_server(refusal, b"") as (connections, taken):
        (answered,) = connections.exchange([LARGE])

    assert (answered.status, answered.body) == (412, b"had")
    assert len(taken) == 1


def test_connections_that_all_ended_while_they_were_idle_are_replaced() -> None:
    def serve(listening: socket.socket) -> None:
        two = [listening.accept()[0] for _ in range(2)]
        for each in two:
            each.recv(1 << 16)
        for each in two:
            each.sendall(answer(b"early"))
            each.close()
        late, _ = listening.accept()
        late.recv(1 << 16)
        late.sendall(answer(b"late"))
        late.close()

    with listener() as listening, ThreadPoolExecutor(3) as pool:
        connections = client_of(listening)
        served = pool.submit(serve, listening)
        early = list(pool.map(connections.exchange, [[GET], [GET]]))
        late = connections.exchange([GET])
        served.result()

    assert [each.body for (each,) in (*early, late)] == [b"early", b"early", b"late"]


def test_when_one_connection_is_dead_the_idle_ones_are_not_tried() -> None:
    def serve(listening: socket.socket) -> None:
        two = [listening.accept()[0] for _ in range(2)]
        for each in two:
            each.recv(1 << 16)
        for each in two:
            each.sendall(answer(b"early"))
        # From here on they swallow what they are sent, as after a change of address.
        late, _ = listening.accept()
        late.recv(1 << 16)
        late.sendall(answer(b"late"))
        for each in (*two, late):
            each.close()

    with listener() as listening, ThreadPoolExecutor(3) as pool:
        connections = client_of(listening)
        served = pool.submit(serve, listening)
        early = list(pool.map(connections.exchange, [[GET], [GET]]))
        for connection in connections._idle:
            connection._socket.settimeout(SHORT_SECONDS)
        with pytest.raises(TimeoutError):
            connections.exchange([GET])
        late = connections.exchange([GET])
        served.result()

    assert [each.body for (each,) in (*early, late)] == [b"early", b"early", b"late"]
