"""Of thousands of requests that are nearly right, none breaks a door or gets another's answer."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Iterator

import pytest

from tests.gateway import Connection, Gateway, running_gateway
from tests.provider import PASSWORD, USER
from tests.security.grammar import Grammar

SEED = 17
REQUESTS = 1000
LOGIN = "Authorization: Basic " + b64encode(f"{USER}:{PASSWORD}".encode()).decode()
# What a gateway and a provider may say of themselves: not here, and not in this version.
INTENDED = {501, 503, 505}
STATUS = re.compile(rb"HTTP/1\.[01] (\d{3}) ")


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    folder = tmp_path_factory.mktemp("gateway")
    with running_gateway(folder, "image-upload", "image-results", "guest") as running:
        yield running


def answered(port: int, data: bytes, following: bytes) -> bytes:
    """Send two requests over one connection, and read all that comes."""
    connection = Connection(port)
    try:
        connection.send(data + following)
        return connection.rest()
    except ConnectionError:  # what was sent behind a refusal
        return b""
    finally:
        connection.close()


def fault(sent: bytes, came: bytes, number: int) -> str:
    """Say what is wrong with the answers to a request and the one behind it; empty for nothing."""
    if not came or came.startswith(b"{"):  # nothing, or a problem for whoever has no headers
        return ""
    heads = [match for match in STATUS.finditer(came) if match[1] != b"100"]
    if not came.startswith(b"HTTP/1.") or not heads:
        return "no HTTP"
    for head in heads:
        status, lines = int(head[1]), came[head.start() :].partition(b"\r\n\r\n")[0].lower()
        if status >= 500 and status not in INTENDED:
            return f"status {status}"
        if b"text/html" in lines:
            return "HTML"
        is_system = b" /system/" in sent.partition(b"\r\n")[0]
        if status >= 400 and b"application/problem+json" not in lines and not is_system:
            return f"{status} is no problem"
    if b'"path": "/next"' in came and f'"n": "{number}"'.encode() not in came:
        return "the answer of another"
    # Its own, that of the next, and of what a body's end leaves: never a body taken for a request.
    return (
        "a body was taken for a request"
        if b'{"status":"ok"}' in came[heads[-1].end() :]
        and (b" /healthz" not in sent.partition(b"\r\n")[0])
        else ""
    )


@pytest.mark.parametrize("door", ["gateway", "provider"])
def test_no_request_breaks_a_door_or_gets_the_answer_of_another(
    gateway: Gateway, door: str
) -> None:
    port = gateway.port if door == "gateway" else gateway.provider.port
    key = f"X-Api-Key: {gateway.key}"
    grammar = Grammar(SEED, key, LOGIN)
    faults = []
    for number in range(REQUESTS):
        following = gateway.request(f"/function/guest/next?n={number}", "GET", "Connection: close")
        sent = grammar.request()
        if wrong := fault(sent, came := answered(port, sent, following), number):
            faults.append((wrong, sent[:300], came[:300]))

    assert faults == []
    assert gateway.ask("/function/guest").seen["path"] == "/"
