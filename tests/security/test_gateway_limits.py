"""What one client can hold of the gateway: connections, bodies, memory."""

from __future__ import annotations

import gzip
import resource
import select
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from imagectl.keys.folder import KeyFolder
from imagectl.keys.record import Record
from local.machine import processes
from pipeline import limits
from pipeline.limits import Limits
from tests.gateway import Answer, Connection, Gateway, exchange, running_gateway
from tests.stack import until

AT_ONCE = 40
LARGE_AT_ONCE = 64
HALF_OPEN = 4600


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with running_gateway(tmp_path_factory.mktemp("gateway"), "image-upload", "guest") as running:
        yield running


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A gateway that works at few requests of one address."""
    folder = tmp_path_factory.mktemp("small")
    with running_gateway(folder, "image-upload", GATEWAY_CONNECTIONS=str(AT_ONCE)) as running:
        yield running


@contextmanager
def unfinished(gateway: Gateway, count: int, data: bytes) -> Iterator[list[Connection]]:
    """Hold connections over which this was sent, and nothing more comes."""
    held: list[Connection] = []
    try:
        for _ in range(count):
            held.append(Connection(gateway.port))
            held[-1].send(data)
        yield held
    finally:
        for connection in held:
            connection.close()


def begun(gateway: Gateway, target: str, length: int, sent: int) -> bytes:
    line = f"Content-Length: {length}"
    return gateway.request(target, "POST", line) + bytes(sent)


def memory_bytes(gateway: Gateway) -> int:
    assert gateway.process is not None
    return processes.memory_bytes(gateway.process.pid)


@pytest.mark.parametrize("target", ["/system/functions", "/readyz"])
def test_a_large_body_is_refused_where_no_image_is_taken(gateway: Gateway, target: str) -> None:
    method = "GET" if target == "/readyz" else "POST"

    answer = gateway.ask(target, method, "Content-Length: 8000000")

    assert (answer.status, answer.code) == (413, "body-too-large")
    assert answer.problem["found"] == 8_000_000
    assert answer.problem["allowed"] in (limits.MAX_NO_BODY_BYTES, limits.MAX_DOCUMENT_BYTES)


def test_every_door_keeps_to_the_limit_that_is_set(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    told = Limits(max_image_bytes=300_000)
    folder, set_to = tmp_path_factory.mktemp("limit"), str(told.max_image_bytes)
    with running_gateway(folder, "image-upload", MAX_IMAGE_BYTES=set_to) as gateway:
        length = f"Content-Length: {told.max_body_bytes + 1}"
        outside = gateway.ask("/api/v1/images", "POST", length).problem
        inside = exchange(
            gateway.provider.port, gateway.request("/function/image-upload", "POST", length), "POST"
        ).problem
        fits = gateway.ask("/api/v1/images", "POST", body=bytes(told.max_body_bytes))

    assert (outside["status"], outside["allowed"]) == (413, 300_000)
    assert "an image may be 300,000" in outside["detail"]
    assert inside["status"] == 413
    assert "the limit is 1300000 bytes" in inside["detail"]
    assert fits.seen["size"] == told.max_body_bytes


@pytest.mark.parametrize(
    "target", ["/api/v1/images", "/function/guest", "/system/functions", "/readyz"]
)
def test_a_packed_body_is_refused(gateway: Gateway, target: str) -> None:
    method = "GET" if target == "/readyz" else "POST"
    for encoding in ("gzip", "GZIP", "deflate", "br", "identity, gzip"):
        line = f"Content-Encoding: {encoding}"

        answer = gateway.ask(target, method, line, body=gzip.compress(bytes(1000)))

        assert answer.problem["status"] == 415
        assert answer.problem["allowed"] == "identity"


def test_references_to_images_are_refused_from_outside(gateway: Gateway) -> None:
    for target in ("", "/", ".openfaas-fn", "/x"):
        for kind in ("application/cloudevents-batch+json", "Application/CloudEvents+json; a=b"):
            answer = gateway.ask(
                f"/function/image-classifier{target}", "POST", f"Content-Type: {kind}", body=b"[]"
            )

            assert answer.problem["status"] == 403
            assert "references-refused" in answer.problem["type"]


# What is wrong with a request whose body is large: target and lines, and the code that says so.
REFUSED = {
    "a scope that its key does not have": ("/function/guest", ["KEY"], "forbidden"),
    "the same, later": ("/async-function/guest", ["KEY"], "forbidden"),
    "references to images": (
        "/function/image-classifier",
        ["Content-Type: application/cloudevents-batch+json"],
        "references-refused",
    ),
    "a packed body": ("/api/v1/images", ["Content-Encoding: gzip"], "unsupported-encoding"),
    "a target with two ways to read it": ("/api/../v1/images", [], "bad-target"),
    "a target too long": (f"/api/v1/images?{'a' * 5000}", [], "target-too-long"),
}


@pytest.mark.parametrize("name", REFUSED)
@pytest.mark.parametrize("size", [1, limits.MAX_DOCUMENT_BYTES + 1, Limits().max_body_bytes])
def test_what_is_refused_for_another_reason_is_not_called_too_large(
    gateway: Gateway, name: str, size: int
) -> None:
    target, lines, code = REFUSED[name]
    folder = KeyFolder(gateway.stack.keys_dir, gateway.stack.keys_used_dir)
    with folder.locked():
        key, _ = folder.create(Record("", "press", ("upload",), "uploads", 0))
    lines = [f"X-Api-Key: {key}" if line == "KEY" else line for line in lines]

    answer = gateway.ask(target, "POST", *lines, f"Content-Length: {size}")

    assert answer.code == code


def test_unfinished_bodies_take_little_memory(gateway: Gateway) -> None:
    before = memory_bytes(gateway)

    with unfinished(gateway, 60, begun(gateway, "/api/v1/images", 8_000_000, 6_000_000)):
        answer = gateway.ask("/function/guest", "POST", body=bytes(1000))

        assert answer.seen["size"] == 1000
        assert memory_bytes(gateway) < before + 160_000_000


def test_connections_that_never_finish_a_header_keep_nobody_out(gateway: Gateway) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, 2 * HALF_OPEN)), hard))
    with unfinished(gateway, HALF_OPEN, b"GET /healthz HTTP/1.1\r\nHost: a\r\nX-"):
        assert gateway.ask("/function/guest").seen["path"] == "/"
        assert gateway.ask("/healthz").status == 200


def test_an_address_has_so_many_requests_under_way_and_no_more(small: Gateway) -> None:
    with refused(small, begun(small, "/api/v1/images", 1000, 10)) as (answer, held):
        # One may be about to end that is not the test's own.
        assert AT_ONCE - 2 <= held <= AT_ONCE
        assert answer.problem["type"].endswith(":too-many-connections")
        assert str(AT_ONCE) in answer.problem["allowed"]
        assert answer.headers["retry-after"] == "1"

    until(lambda: small.ask("/api/v1/images", "POST", body=b"x").status == 200)


def test_an_address_has_so_many_large_bodies_under_way(gateway: Gateway) -> None:
    with refused(gateway, begun(gateway, "/api/v1/images", 1_000_000, 10)) as (answer, held):
        assert LARGE_AT_ONCE - 2 <= held <= LARGE_AT_ONCE
        assert answer.problem["status"] == 429
        assert gateway.ask("/api/v1/images", "POST", body=bytes(200_000)).seen["size"] == 200_000


@contextmanager
def refused(gateway: Gateway, data: bytes) -> Iterator[tuple[Answer, int]]:
    """Send more and more unfinished requests until one is answered; say how many are not."""
    held: list[Connection] = []
    answered: list[Connection] = []
    try:
        while not answered:
            assert len(held) < 2000
            held.append(Connection(gateway.port))
            held[-1].send(data)
            ready, _, _ = select.select([each.socket for each in held], [], [], 0.02)
            answered = [each for each in held if each.socket in ready]
        yield answered[0].read(), len(held) - len(answered)
    finally:
        for connection in held:
            connection.close()
