"""Requests that are nearly right at both doors: none breaks one or gets another's answer."""

from __future__ import annotations

import re
from base64 import b64encode
from pathlib import Path

from tests.gateway import Connection, Gateway, running_gateway
from tests.provider import PASSWORD, USER
from tests.security.grammar import Grammar

LOGIN = "Authorization: Basic " + b64encode(f"{USER}:{PASSWORD}".encode()).decode()
# What a gateway and a provider may say of themselves: not here, and not in this version.
INTENDED = {501, 503, 505}
# What has HTML for an answer: the page, with any query.
PAGE = re.compile(rb"(?:GET|HEAD) /(?:\?\S*)? HTTP/1\.")
STATUS = re.compile(rb"HTTP/1\.[01] (\d{3}) ")

# What was wrong, what was sent, and what came.
Fault = tuple[str, bytes, bytes]


def faults_of(folder: Path, count: int, seed: int) -> dict[str, list[Fault]]:
    """Try both doors of a gateway and provider that are started in this folder."""
    with running_gateway(folder, "image-upload", "image-results", "guest") as gateway:
        ports = {"gateway": gateway.port, "provider": gateway.provider.port}
        found = {door: faults(gateway, port, count, seed) for door, port in ports.items()}
        assert gateway.ask("/function/guest").seen["path"] == "/"
        return found


def faults(gateway: Gateway, port: int, count: int, seed: int) -> list[Fault]:
    """Send `count` requests to one door, each followed by one whose answer is known."""
    grammar = Grammar(seed, f"X-Api-Key: {gateway.key}", LOGIN)
    found = []
    for number in range(count):
        following = gateway.request(f"/function/guest/next?n={number}", "GET", "Connection: close")
        sent = grammar.request()
        came = _answered(port, sent, following)
        if wrong := _fault(sent, came, number):
            found.append((wrong, sent[:300], came[:300]))
    return found


def _answered(port: int, data: bytes, following: bytes) -> bytes:
    """Send two requests over one connection, and read all that comes."""
    connection = Connection(port)
    try:
        connection.send(data + following)
        return connection.rest()
    except ConnectionError:  # what was sent behind a refusal
        return b""
    finally:
        connection.close()


def _fault(sent: bytes, came: bytes, number: int) -> str:
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
        if b"text/html" in lines and not (status == 200 and PAGE.match(sent)):
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
