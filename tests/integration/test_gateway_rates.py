"""How often a key may ask at the real gateway, however it asks; and wrong keys of one address."""

from __future__ import annotations

import json
import os
import shutil
import signal
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from imagectl.keys.folder import KeyFolder
from imagectl.keys.record import Record, digest_of
from local.services.servers import nginx
from pipeline.names import SCOPES
from tests.gateway import Answer, Connection, Gateway, running_gateway
from tests.stack import until

PER_SECOND, BURST = 20, 10
# Far more than come while a slow machine sends them.
REQUESTS = 60
HOUR = 3600
# A bucket for one request is counted in twentieths.
PARTS = 20
TARGET = "/function/image-upload"
WITHOUT = "none", None
FUNCTIONS = ("image-upload", "image-results", "guest")
# Other gateways of tests take more wrong keys.
REAL = {"WRONG_KEYS_AT_ONCE": "100"}


@pytest.fixture(scope="module")
def gateway() -> Iterator[Gateway]:
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        with running_gateway(Path(folder), *FUNCTIONS, **REAL) as running:
            yield running


def folder_of(gateway: Gateway) -> KeyFolder:
    return KeyFolder(gateway.stack.keys_dir, gateway.stack.keys_used_dir)


def made(gateway: Gateway, rate: str = f"{PER_SECOND}/s", burst: int | None = BURST) -> str:
    return made_like(gateway, Record("", "press", SCOPES, "limited", 0, rate=rate, burst=burst))


def made_like(gateway: Gateway, record: Record) -> str:
    with folder_of(gateway).locked():
        return folder_of(gateway).create(record)[0]


def given(key: str) -> str:
    return f"X-Api-Key: {key}"


def ask(gateway: Gateway, key: str, target: str = TARGET) -> Answer:
    return gateway.ask(target, "GET", given(key))


def bucket(gateway: Gateway, key: str, rate: str, hour: int) -> Path:
    folder = gateway.stack.keys_used_dir / "rates" / str(hour)
    folder.mkdir(parents=True, exist_ok=True)
    for each in (folder.parent, folder):
        each.chmod(0o777)
    return folder / f"{digest_of(key)}-{rate}"


def statuses(gateway: Gateway, *keys: str) -> list[int]:
    """What the gateway's log tells of requests of these keys."""
    ids = {digest_of(key)[:12] for key in keys}
    rows = [line for line in gateway.log.read_text().splitlines() if line.startswith('{"time"')]
    return [row["status"] for row in map(json.loads, rows) if row["key"] in ids]


# Ways of asking; each sends REQUESTS requests, and looks at no answer that it need not read.
Way = Callable[[Gateway, str], None]


def each(*lines: str, target: str = TARGET, method: str = "GET", body: bytes = b"") -> Way:
    """A connection for each request."""

    def way(gateway: Gateway, key: str) -> None:
        for _ in range(REQUESTS):
            gateway.ask(target, method, given(key), *lines, body=body)

    return way


def turn_by_turn(*requests: tuple[str, str]) -> Way:
    def way(gateway: Gateway, key: str) -> None:
        for number in range(REQUESTS):
            method, target = requests[number % len(requests)]
            gateway.ask(target.replace("N", str(number)), method, given(key))

    return way


def headers_in_turn(*lines: str) -> Way:
    def way(gateway: Gateway, key: str) -> None:
        for number in range(REQUESTS):
            line = lines[number % len(lines)].replace("<N>", str(number)).replace("<KEY>", key)
            gateway.ask(TARGET, "GET", *line.split("\n"))

    return way


def kept_alive(gateway: Gateway, key: str) -> None:
    connection = Connection(gateway.port)
    for _ in range(REQUESTS):
        connection.send(gateway.request(TARGET, "GET", given(key)))
        connection.read()
    connection.close()


def pipelined(gateway: Gateway, key: str) -> None:
    connection = Connection(gateway.port)
    connection.send(gateway.request(TARGET, "GET", given(key)) * REQUESTS)
    for _ in range(REQUESTS):
        connection.read()
    connection.close()


def side_by_side(gateway: Gateway, key: str) -> None:
    with ThreadPoolExecutor(12) as senders:
        list(senders.map(lambda _: ask(gateway, key), range(REQUESTS)))


def held_back(gateway: Gateway, key: str) -> None:
    """All but the last byte of each first, then all at once."""
    request, held = gateway.request(TARGET, "GET", given(key)), []
    for _ in range(REQUESTS):
        held.append(Connection(gateway.port))
        held[-1].send(request[:-1])
    for connection in held:
        connection.send(request[-1:])
    for connection in held:
        connection.read()
        connection.close()


def in_chunks(gateway: Gateway, key: str) -> None:
    line = "Transfer-Encoding: chunked"
    for _ in range(REQUESTS):
        connection = Connection(gateway.port)
        head = gateway.request("/api/v1/images", "POST", given(key), line)
        connection.send(head + b"1\r\nx\r\n0\r\n\r\n")
        connection.read()
        connection.close()


def cancelled(gateway: Gateway, key: str) -> None:
    for _ in range(REQUESTS):
        connection = Connection(gateway.port)
        connection.send(gateway.request(TARGET, "GET", given(key)))
        connection.close()


def in_old_http(gateway: Gateway, key: str) -> None:
    for _ in range(REQUESTS):
        connection = Connection(gateway.port)
        request = gateway.request(TARGET, "GET", given(key))
        connection.send(request.replace(b"HTTP/1.1", b"HTTP/1.0"))
        connection.read()
        connection.close()


def workers(pid: int) -> set[str]:
    return set(Path(f"/proc/{pid}/task/{pid}/children").read_text().split())


def across_reloads(gateway: Gateway, key: str) -> None:
    assert gateway.process
    pid = gateway.process.pid
    # Others of this module fill in the same folder for a gateway of their own.
    nginx.prepare(gateway.stack)
    before = workers(pid)
    for number in range(REQUESTS):
        if number == REQUESTS // 4:
            os.kill(pid, signal.SIGHUP)
        ask(gateway, key)
    until(lambda: not before & workers(pid))


def at_two_gateways(gateway: Gateway, key: str) -> None:
    second = Gateway(gateway.provider, **REAL)
    second.start()
    try:
        for number in range(REQUESTS):
            ask((gateway, second)[number % 2], key)
    finally:
        second.stop()


def at_one_that_starts_anew(gateway: Gateway, key: str) -> None:
    for _ in range(3):
        second = Gateway(gateway.provider, **REAL)
        second.start()
        try:
            for _ in range(REQUESTS // 3):
                ask(second, key)
        finally:
            second.stop()


WAYS: dict[str, Way] = {
    "a connection for each": each(),
    "one connection": kept_alive,
    "pipelined": pipelined,
    "side by side": side_by_side,
    "held back and let go at once": held_back,
    "routes": turn_by_turn(
        ("GET", "/api/v1/jobs/N"),
        ("GET", "/api/v1/images/N"),
        ("POST", "/api/v1/jobs/N/retry"),
        ("GET", "/nothing/N"),
        ("GET", "/system/info"),
        ("GET", "/function/image-results"),
    ),
    "aliases": turn_by_turn(
        ("POST", "/upload/"), ("POST", "/api/classify"), ("GET", "/api/results/N")
    ),
    "who the key is": turn_by_turn(("GET", "/api/v1/key"), ("GET", "/"), ("GET", "/page/main.js")),
    "methods": turn_by_turn(
        *[(method, TARGET) for method in ("PUT", "PATCH", "DELETE", "OPTIONS")]
    ),
    "HEAD": each(method="HEAD"),
    "queries": turn_by_turn(("GET", f"{TARGET}?a=N"), ("GET", f"{TARGET}/N?key=N")),
    "spellings of a path": turn_by_turn(
        ("GET", "/function//image-upload"), ("GET", "/function/image-upload;N"), ("GET", "/%2e/N")
    ),
    "names of the header": headers_in_turn(
        "X-API-KEY: <KEY>", "x-api-key:<KEY>", "X-aPI-kEY:  <KEY>  "
    ),
    "addresses": headers_in_turn(
        "X-Api-Key: <KEY>\nX-Forwarded-For: 10.0.0.<N>\nX-Real-IP: 10.0.0.<N>"
    ),
    "names of requests": headers_in_turn(
        "X-Api-Key: <KEY>\nX-Request-Id: <N>\nIdempotency-Key: <N>\nX-Tenant: <N>"
    ),
    "chunked": in_chunks,
    "too large": each("Content-Length: 900000000", method="POST"),
    "packed": each("Content-Encoding: gzip", method="POST", body=b"x"),
    "conditions": each("If-None-Match: *", target="/page/main.js"),
    "many files": each(
        "Content-Type: multipart/form-data; boundary=b",
        target="/api/v1/images",
        method="POST",
        body=b'--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\nx\r\n' * 16
        + b"--b--\r\n",
    ),
    "cancelled": cancelled,
    "HTTP/1.0": in_old_http,
    "later": each(target="/async-function/guest", method="POST", body=b"x"),
    "WebSockets": each(
        "Connection: Upgrade",
        "Upgrade: websocket",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",
        target="/function/guest",
    ),
    "across reloads": across_reloads,
    "two gateways": at_two_gateways,
    "a gateway that starts anew": at_one_that_starts_anew,
}


@pytest.mark.parametrize("name", WAYS)
def test_a_key_gets_no_more_in_whatever_it_does(gateway: Gateway, name: str) -> None:
    key = made(gateway)

    began = time.time()
    WAYS[name](gateway, key)
    until(lambda: len(statuses(gateway, key)) == REQUESTS, 60)
    elapsed = time.time() - began

    admitted = [status for status in statuses(gateway, key) if status != 429]
    assert BURST <= len(admitted) <= 1.05 * (PER_SECOND * elapsed + BURST)


def test_of_all_that_come_at_once_the_burst_is_let_in_and_no_more(gateway: Gateway) -> None:
    burst = 25
    key = made(gateway, "25/h", burst)

    began = time.time()
    for _ in range(3):
        held_back(gateway, key)
    until(lambda: len(statuses(gateway, key)) == 3 * REQUESTS)

    admitted = statuses(gateway, key).count(200)
    assert burst <= admitted <= burst + 1 + (time.time() - began) * burst / HOUR


def test_a_key_that_is_doubled_in_one_request_is_none(gateway: Gateway) -> None:
    key = made(gateway)

    answer = gateway.ask(TARGET, "GET", given(key), given(key))

    assert answer.status in (400, 401, 429)  # others sent wrong keys


def test_a_key_and_the_one_it_was_rotated_to_are_counted_as_one(gateway: Gateway) -> None:
    old = made(gateway, "1/h", 1)
    record = folder_of(gateway).get(digest_of(old))
    assert record
    new = made_like(gateway, replace(record, counted=record.digest))

    assert [ask(gateway, key).status for key in (old, new, old)] == [200, 429, 429]


def test_another_key_of_the_same_tenant_and_address_goes_on(gateway: Gateway) -> None:
    limited, other, unlimited = made(gateway), made(gateway, "1000/s", 1000), gateway.key
    ended, found = threading.Event(), []

    def flood() -> None:
        while not ended.is_set():
            found.append(ask(gateway, limited).status)

    senders = [threading.Thread(target=flood) for _ in range(2)]
    for sender in senders:
        sender.start()
    try:
        until(lambda: 429 in found)
        others = [ask(gateway, key).status for _ in range(50) for key in (other, unlimited)]
    finally:
        ended.set()
        for sender in senders:
            sender.join()

    assert set(others) == {200}


def test_an_answer_says_what_is_left_and_when_the_next_is_taken(gateway: Gateway) -> None:
    key = made(gateway, "1/h", 1)

    taken, refused = ask(gateway, key), ask(gateway, key)

    policy = '"requests";q=1;w=3600'
    assert [each.headers["ratelimit-policy"] for each in (taken, refused)] == [policy] * 2
    left = [each.headers["ratelimit"].partition(";t=")[0] for each in (taken, refused)]
    assert left == ['"requests";r=0'] * 2
    assert (refused.status, refused.code) == (429, "rate-limited")
    assert refused.problem["allowed"] == "1/h, 1 at once"


def test_the_time_that_is_told_is_when_the_next_is_taken(gateway: Gateway) -> None:
    key = made(gateway, "1/h", 1)

    began = time.time()
    ask(gateway, key)
    told = int(ask(gateway, key).headers["retry-after"])
    elapsed = time.time() - began

    # To a twentieth: tokens come on the clock's beat.
    assert HOUR * (1 - 1 / PARTS) - elapsed - 1 <= told <= HOUR


def test_a_key_that_was_refused_is_let_in_again(gateway: Gateway) -> None:
    key = made(gateway, "60/m", 1)
    connection = Connection(gateway.port)
    connection.send(gateway.request("/api/v1/key", "GET", given(key)) * 9)
    found = {connection.read().status for _ in range(9)}
    connection.close()

    until(lambda: ask(gateway, key).status == 200)

    assert 429 in found


def test_a_key_without_a_rate_is_told_of_none(gateway: Gateway) -> None:
    answer = ask(gateway, gateway.key)

    assert "ratelimit" not in answer.headers
    assert "ratelimit-policy" not in answer.headers


def test_a_rate_that_is_changed_is_in_force_with_the_next_request(gateway: Gateway) -> None:
    key = made(gateway, "1/h", 1)
    found = [ask(gateway, key).status for _ in range(2)]

    for rate, burst in (("none", None), ("1/h", 1)):
        record = folder_of(gateway).get(digest_of(key))
        assert record
        folder_of(gateway).write(replace(record, rate=rate, burst=burst))
        found.append(ask(gateway, key).status)

    assert found == [200, 429, 200, 429]


def asked_within_an_hour(gateway: Gateway, size: int, hours_ago: int) -> list[int]:
    """Ask twice with a key of which a file tells this; again if an hour ended meanwhile."""
    while True:
        hour, key = int(time.time()) // HOUR, made(gateway, "1/h", 1)
        path = bucket(gateway, key, "1-h-1", hour - hours_ago)
        path.write_bytes(bytes(size))
        path.chmod(0o666)
        found = [ask(gateway, key).status for _ in range(2)]
        if int(time.time()) // HOUR == hour:
            return found


def test_what_an_hour_took_is_taken_in_the_next_one(gateway: Gateway) -> None:
    assert asked_within_an_hour(gateway, size=2 * PARTS, hours_ago=1) == [429, 429]


def test_what_an_hour_left_is_there_in_the_next_one(gateway: Gateway) -> None:
    assert asked_within_an_hour(gateway, size=PARTS, hours_ago=1) == [200, 429]


def test_what_a_clock_that_was_set_back_has_left_is_forgotten(gateway: Gateway) -> None:
    assert asked_within_an_hour(gateway, size=10_000, hours_ago=0) == [200, 429]


def test_hours_that_are_over_leave_nothing_behind(gateway: Gateway) -> None:
    rates = gateway.stack.keys_used_dir / "rates"
    hour = int(time.time()) // HOUR
    old = bucket(gateway, "another's", "1-h-1", hour - 5)
    old.touch()
    for folder in rates.glob(str(hour)):
        shutil.rmtree(folder)

    ask(gateway, made(gateway))

    assert not old.parent.exists()


def test_where_nothing_can_be_counted_a_key_is_answered(gateway: Gateway) -> None:
    hour, key = int(time.time()) // HOUR, made(gateway, "1/h", 1)
    for each_hour in (hour, hour + 1):
        bucket(gateway, key, "1-h-1", each_hour).symlink_to("/nowhere/at/all")

    assert [ask(gateway, key).status for _ in range(3)] == [200] * 3
    assert "cannot be counted" in gateway.log.read_text()


def test_a_gateway_may_have_a_rate_for_all_keys_that_say_none(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    usual, own = made(gateway, "", None), made(gateway, *WITHOUT)
    with monkeypatch.context() as patch:
        patch.setenv("KEY_RATE", "2/h")
        patch.setenv("KEY_BURST", "2")
        second = Gateway(gateway.provider, **REAL)
        second.start()
    try:
        found = [[ask(second, key).status for _ in range(3)] for key in (usual, own)]
    finally:
        second.stop()

    assert found == [[200, 200, 429], [200, 200, 200]]


def test_wrong_keys_of_one_address_are_told_so_only_so_often(gateway: Gateway) -> None:
    limits, good = gateway.stack.limits, made(gateway, *WITHOUT)
    revoked = made_like(gateway, Record("", "press", SCOPES, "over", 0, revoked=1))
    wrong = ("X-Api-Key: guessed", "X-Other: none", given(revoked))
    targets = (TARGET, "/api/v1/key", "/api/v1/jobs/x", "/nothing", "/async-function/guest")

    began, answers, goods = time.time(), [], []
    for number in range(4 * limits.wrong_keys_at_once):
        line = (wrong[number % 3], given("")) if number % 3 == 1 else (wrong[number % 3],)
        answers.append(gateway.ask(targets[number % 5], "GET", *line))
        if number % 10 == 0:
            goods.append(ask(gateway, good).status)
    elapsed = time.time() - began

    told = [answer for answer in answers if answer.status == 401]
    refused = [answer for answer in answers if answer.status != 401]
    allowed = limits.wrong_keys_a_second * elapsed + limits.wrong_keys_at_once
    assert len(told) <= 1.05 * allowed
    assert {answer.code for answer in refused} <= {"too-many-wrong-keys"}
    assert {answer.headers["retry-after"] for answer in refused} <= {"1"}
    assert set(goods) == {200}
    assert refused or elapsed > 2 * limits.wrong_keys_at_once / limits.wrong_keys_a_second
