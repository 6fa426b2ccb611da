"""Which requests are plain, and which are left to a server that knows all of HTTP."""

from __future__ import annotations

import pytest

from local.provider.http import request_head

LINE = b"POST /function/echo/a?b=c HTTP/1.1\r\n"
HOST = b"Host: a\r\n"
PLAIN = LINE + HOST + b"Content-Length: 3\r\n\r\n"


def test_a_plain_head_is_read() -> None:
    head = request_head.read(
        LINE + b"Host: a\r\nX-Odd:\t caf\xc3\xa9 \r\ncontent-length: 12\r\n\r\n"
    )

    assert head is not None
    assert (head.method, head.target, head.length) == (b"POST", "/function/echo/a?b=c", 12)
    assert head.headers[1] == (b"X-Odd", b"caf\xc3\xa9")
    assert head.by_name[b"content-length"] == b"12"
    assert not head.is_last


@pytest.mark.parametrize(("value", "is_last"), [(b"close", True), (b"Keep-Alive", False)])
def test_a_caller_says_whether_it_goes_on(value: bytes, is_last: bool) -> None:
    head = request_head.read(LINE + HOST + b"Connection: " + value + b"\r\n\r\n")

    assert head is not None
    assert head.is_last is is_last


@pytest.mark.parametrize(
    "head",
    [
        LINE + b"\r\n",  # no Host
        LINE + HOST + HOST + b"\r\n",
        LINE + HOST + b"X-A: 1\r\nx-a: 2\r\n\r\n",
        LINE + HOST + b"Content-Length: 1\r\nContent-Length: 1\r\n\r\n",
        LINE + HOST + b"Content-Length: +1\r\n\r\n",
        LINE + HOST + b"Content-Length: 1, 1\r\n\r\n",
        LINE + HOST + b"Content-Length: \xb2\r\n\r\n",
        LINE + HOST + b"Content-Length: " + b"1" * 5000 + b"\r\n\r\n",
        LINE + HOST + b"Transfer-Encoding: chunked\r\n\r\n",
        LINE + HOST + b"Content-Encoding: gzip\r\n\r\n",
        LINE + HOST + b"Expect: 100-continue\r\n\r\n",
        LINE + HOST + b"Upgrade: websocket\r\n\r\n",
        LINE + HOST + b"Connection: X-Tenant\r\n\r\n",
        LINE + HOST + b"Connection: close, x-tenant\r\n\r\n",
        LINE + HOST + b"X-A : 1\r\n\r\n",
        LINE + HOST + b": 1\r\n\r\n",
        LINE + HOST + b"X-A\r\n\r\n",
        LINE + HOST + b" folded: 1\r\n\r\n",
        LINE + HOST + b"X-A: 1\r\n 2\r\n\r\n",
        LINE + HOST + b"X-A: \x00\r\n\r\n",
        LINE + HOST + b"X-A: 1\n\r\n\r\n",
        LINE + HOST + b"X-A: 1\rX-B: 2\r\n\r\n",
        LINE.replace(b"HTTP/1.1", b"HTTP/1.0") + HOST + b"\r\n",
        LINE.replace(b"POST", b"BREW") + HOST + b"\r\n",
        LINE.replace(b"POST", b"post") + HOST + b"\r\n",
        LINE.replace(b"/function/", b"/system/") + HOST + b"\r\n",
        LINE.replace(b"/function/", b"http://a/function/") + HOST + b"\r\n",
        LINE.replace(b" HTTP", b"  HTTP") + HOST + b"\r\n",
        LINE.replace(b"\r\n", b"\n") + HOST + b"\r\n",
        LINE + HOST + b"X-A: " + b"a" * request_head.MAX_HEAD_BYTES + b"\r\n\r\n",
    ],
)
def test_what_can_be_read_in_two_ways_is_not_plain(head: bytes) -> None:
    assert request_head.read(head) is None


def test_every_beginning_of_a_plain_head_may_become_one() -> None:
    for end in range(len(PLAIN)):
        assert request_head.may_become_plain(PLAIN[:end]), PLAIN[:end]


@pytest.mark.parametrize(
    "beginning",
    [
        b"\x16\x03\x01",
        b"\r\n",
        b"{",
        b"get ",
        b"GETGETGET",
        b"BREW /",
        b"GET http://a",
        b"GET /system/functions HTTP/1.1\r\nHost",
        b"GET /function/a HTTP/1.0\r\nHost",
        b"GET /function/a\r\n",
        b"GET /function/" + b"a" * request_head.MAX_HEAD_BYTES,
    ],
)
def test_what_cannot_become_plain_is_not_waited_for(beginning: bytes) -> None:
    assert not request_head.may_become_plain(beginning)
