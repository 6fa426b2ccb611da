"""The template's index.py serves a handler for real: bounds, errors, and the end."""

from __future__ import annotations

import http.client
import json
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.provider import PATIENCE_SECONDS, eventually
from tests.template_server import Server, answered_until


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Server]]:
    servers: list[Server] = []

    def start_one(**env: str) -> Server:
        server = Server(tmp_path / f"server-{len(servers)}", **env)
        servers.append(server)
        eventually(server.is_up)
        return server

    yield start_one
    for server in servers:
        server.close()


def problem_of(answer: requests.Response) -> dict[str, Any]:
    assert answer.headers["Content-Type"] == "application/problem+json"
    problem: dict[str, Any] = answer.json()
    assert problem["status"] == answer.status_code
    return problem


def test_handler_sees_the_request_and_its_siblings(start: Callable[..., Server]) -> None:
    server = start()

    answer = server.http.put(f"{server.url}/echo?q=a%20b", data="body", headers={"X-Given": "1"})

    assert (answer.status_code, answer.headers["X-Method"], answer.headers["X-Given"]) == (
        201,
        "PUT",
        "1",
    )
    assert answer.json() == {"query": "a b", "body": "body"}
    assert server.get("/").text == "hello"


def test_readiness_is_the_handlers_and_metrics_are_served(start: Callable[..., Server]) -> None:
    server = start()

    not_ready = server.get("/_/ready")
    (server.folder / "is-ready").touch()

    assert problem_of(not_ready)["detail"] == "the model is not loaded"
    assert not_ready.status_code == 503
    assert server.get("/_/ready").ok
    assert "function_requests_in_flight 0.0" in server.get("/metrics").text


def test_a_handler_that_can_never_serve_ends_the_process_with_its_reason(
    start: Callable[..., Server],
) -> None:
    server = start()
    (server.folder / "is-broken").touch()

    with pytest.raises(requests.ConnectionError):
        server.get("/_/ready")

    assert server.process.wait(PATIENCE_SECONDS) == 1
    last_line = server.output().splitlines()[-1]
    assert json.loads(last_line)["message"] == ("the function cannot serve: the model does not fit")


def test_requests_beyond_the_cap_are_turned_away_at_once(start: Callable[..., Server]) -> None:
    server = start(MAX_INFLIGHT="2")
    in_flight = [server.begin_waiting("a"), server.begin_waiting("b")]

    turned_away = list(server.threads.map(lambda _: server.get("/"), range(12)))
    healthy = server.get("/_/health")
    server.may_end("a", "b")

    assert [answer.status_code for answer in turned_away] == [429] * 12
    assert turned_away[0].headers["Retry-After"] == "1"
    assert "2 requests are in flight" in problem_of(turned_away[0])["detail"]
    assert healthy.ok
    assert [answer().status_code for answer in in_flight] == [200, 200]
    assert server.get("/").ok


def test_no_sender_that_the_handler_knows_takes_all_room(start: Callable[..., Server]) -> None:
    server, crowd = start(MAX_INFLIGHT="4"), {"X-Sender": "crowd"}
    in_flight = [server.begin_waiting(f"crowd-{number}", **crowd) for number in range(3)]

    turned_away = server.get("/", headers=crowd)
    other = server.get("/", headers={"X-Sender": "other"})
    server.may_end("crowd-0")
    in_flight.pop(0)()
    again = server.get("/", headers=crowd)
    server.may_end("crowd-1", "crowd-2")

    assert (turned_away.status_code, turned_away.headers["Retry-After"]) == (429, "1")
    assert problem_of(turned_away)["detail"] == (
        "3 of 4 requests that may be in flight are yours; the rest is left to others"
    )
    assert (other.status_code, again.status_code) == (200, 200)
    assert [answer().status_code for answer in in_flight] == [200, 200]


def test_handler_that_takes_too_long_is_answered_504_and_keeps_its_slot(
    start: Callable[..., Server],
) -> None:
    server = start(EXEC_TIMEOUT="0.2", MAX_INFLIGHT="1")

    late = server.begin_waiting("late")()
    meanwhile = server.get("/")
    server.may_end("late")

    assert problem_of(late)["detail"] == "the handler took longer than 0.2 s"
    assert (late.status_code, meanwhile.status_code) == (504, 429)
    eventually(lambda: server.get("/").ok)


def test_body_beyond_the_limit_is_413_with_both_sizes(start: Callable[..., Server]) -> None:
    server = start(MAX_BODY_BYTES="1000")

    fits = server.http.post(server.url, data=b"x" * 1000)
    too_large = server.http.post(server.url, data=b"x" * 1001)
    chunked = server.http.post(server.url, data=iter([b"x" * 600, b"x" * 600]))

    assert fits.ok
    assert (too_large.status_code, chunked.status_code) == (413, 413)
    assert problem_of(too_large)["detail"] == "body is 1001 bytes; the limit is 1000 bytes"
    assert problem_of(chunked)["detail"] == "body is 1200 bytes; the limit is 1000 bytes"


def test_body_far_beyond_the_limit_is_not_even_read(start: Callable[..., Server]) -> None:
    server = start(MAX_BODY_BYTES="1000")
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE_SECONDS)

    connection.putrequest("POST", "/")
    connection.putheader("Content-Length", "1000000000")
    connection.endheaders()
    with connection.getresponse() as answer:
        assert answer.status == 413
        assert answer.getheader("Content-Type") == "application/problem+json"


def test_unexpected_exception_is_a_500_that_tells_nothing_and_one_log_line(
    start: Callable[..., Server],
) -> None:
    server = start()
    trace_id = "4bf92f3577b34da6a3ce929d0e0e4736"

    answer = server.get("/fail", headers={"traceparent": f"00-{trace_id}-00f067aa0ba902b7-01"})

    assert answer.status_code == 500
    assert problem_of(answer)["traceId"] == trace_id
    assert "secret" not in answer.text
    (line,) = server.output().splitlines()
    record = json.loads(line)
    assert record["trace_id"] == trace_id
    assert record["exception"].endswith("ValueError: the secret of the handler")


def test_sigterm_loses_neither_the_request_in_flight_nor_the_one_that_comes_after(
    start: Callable[..., Server],
) -> None:
    server = start(SHUTDOWN_GRACE_SECONDS="1")
    (server.folder / "is-ready").touch()
    in_flight = server.begin_waiting("a")

    server.process.send_signal(signal.SIGTERM)
    eventually(lambda: server.get("/_/ready").status_code == 503)
    arriving = server.get("/")
    server.may_end("a")

    assert (arriving.status_code, arriving.text) == (200, "hello")
    assert arriving.headers["Connection"] == "close"
    assert in_flight().status_code == 200
    assert server.process.wait(PATIENCE_SECONDS) == 0
    assert (server.folder / "closed").exists()
    assert server.output() == ""


def test_request_in_flight_longer_than_the_grace_window_is_still_answered(
    start: Callable[..., Server],
) -> None:
    server = start(SHUTDOWN_GRACE_SECONDS="0")
    in_flight = server.begin_waiting("a")

    server.process.send_signal(signal.SIGTERM)
    eventually(lambda: server.get("/_/ready").status_code == 503)
    server.may_end("a")

    assert in_flight().status_code == 200
    assert server.process.wait(PATIENCE_SECONDS) == 0


def test_clients_that_never_pause_are_answered_all_through_the_grace_window(
    start: Callable[..., Server],
) -> None:
    server = start(SHUTDOWN_GRACE_SECONDS="3")

    end = time.monotonic() + 3  # it goes on for longer: it has not yet been told
    clients = [server.threads.submit(answered_until, lambda: end, server.port) for _ in range(4)]
    server.process.send_signal(signal.SIGTERM)
    statuses = [status for client in clients for status in client.result(PATIENCE_SECONDS)]

    assert set(statuses) == {200}
    assert len(statuses) > 10
    assert server.process.wait(PATIENCE_SECONDS) == 0


def test_wrong_settings_are_all_named_at_start(tmp_path: Path) -> None:
    server = Server(tmp_path / "server", MAX_INFLIGHT="0", EXEC_TIMEOUT="soon")
    try:
        assert server.process.wait(PATIENCE_SECONDS) == 1
        assert "MAX_INFLIGHT is '0'" in server.output()
        assert "EXEC_TIMEOUT is 'soon'" in server.output()
    finally:
        server.close()
