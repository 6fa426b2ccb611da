"""Requests by a grammar that knows where servers differ, each followed by one of ours.

`fuzz(port, count, seed)` sends them to a server of the template with the handler of
tests/template_server.py: every answer is the answer to its request, every refusal a problem, and
no request makes the server fail.
"""

from __future__ import annotations

import http.client
import random
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

from tests.raw_http import Answer, answers, exchange

_CLIENTS = 16
_METHODS = [
    "GET",
    "GET",
    "POST",
    "POST",
    "HEAD",
    "PUT",
    "OPTIONS",
    "TRACE",
    "BREW",
    "get",
    "",
    "G ET",
]
_TARGETS = [
    b"/", b"/", b"/", b"/a?b=c", b"*", b"//a", b"/%2e%2e/a", b"/..", b"/%ff", b"/\xff", b"/\0",
    b"/%00", b"/a b", b"/a\tb", b"http://a/b", b"http://[a/b", b"a", b"", b"/?" + b"a" * 9000,
    b"/#a", b"/;a=b", b"/\\a", b"/%zz",
]  # fmt: skip
_VERSIONS = [b"HTTP/1.1"] * 6 + [
    b"HTTP/1.0",
    b"HTTP/0.9",
    b"HTTP/2.0",
    b"http/1.1",
    b"HTTP/1.10",
    b"",
]
_HEADERS = [
    b"Content-Length: 0", b"Content-Length: 3", b"Content-Length: 3", b"Content-Length: 03",
    b"Content-Length: +3", b"Content-Length: 3, 3", b"Content-Length:3 ", b"Content-Length : 3",
    b"Content_Length: 3", b"Content-Length: 0x3", b"Content-Length: 99999999999",
    b"Content-Length: " + b"9" * 5000, b"Content-Length: -1", b"Content-Length: 3;a",
    b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked", b"Transfer-Encoding: Chunked",
    b"Transfer-Encoding: identity", b"Transfer-Encoding: gzip, chunked",
    b"Transfer-Encoding: chunked, gzip", b"Transfer-Encoding: \x0bchunked",
    b"Transfer-Encoding : chunked", b"Transfer_Encoding: chunked", b"Transfer-Encoding:",
    b" Transfer-Encoding: chunked", b"X: a\r\n Transfer-Encoding: chunked", b"TE: trailers",
    b"Expect: 100-continue", b"Expect: 200-ok", b"Connection: close", b"Connection: keep-alive",
    b"Connection: \xff", b"Connection: Content-Length", b"Upgrade: h2c", b"Host: b", b"Host: a/b",
    b"X: \0", b"X: \x7f", b"no colon", b": a", b"X\xff: a", b"X: a\nY: b", b"X: a\rY: b",
    b"X: " + b"a" * 66_000, b"A: b\r\n" * 101 + b"A: b", b"Content-Type: \xff",
    b"Content-Type: text/plain; charset=bogus", b"Content-Encoding: gzip", b"Cookie: ;;=",
    b"traceparent: a-b-c-d",
]  # fmt: skip
_BODIES = [
    b"", b"", b"abc", b"abc", b"ab", b"abcdef", b"0\r\n\r\n", b"3\r\nabc\r\n0\r\n\r\n",
    b"3\r\nabc\r\n0\r\nX: y\r\n\r\n", b"3;a=b\r\nabc\r\n0\r\n\r\n", b"3\r\nabcd\r\n0\r\n\r\n",
    b"3\nabc\n0\n\n", b"+3\r\nabc\r\n0\r\n\r\n", b"0x3\r\nabc\r\n", b"fffffffffffffffff\r\nabc",
    b"-1\r\n\r\n", b"zz\r\n", b"3 \r\nabc\r\n0\r\n\r\n", b"\r\n" * 9, b"GET / HTTP/1.1\r\n\r\n",
]  # fmt: skip


def fuzz(port: int, count: int, seed: int = 0) -> Counter[int]:
    """Send `count` requests; return how often each status was answered."""
    generator = random.Random(seed)
    cases = [_case(generator) for _ in range(count)]
    statuses: Counter[int] = Counter()
    with ThreadPoolExecutor(_CLIENTS) as clients:
        for number, found in enumerate(
            clients.map(lambda case: _answers_to(port, *case), enumerate(cases))
        ):
            _check(found, str(number), cases[number])
            statuses.update(answer.status for answer in found)
    return statuses


def _case(generator: random.Random) -> tuple[str, bytes]:
    """Make a method and the request that begins with it."""
    method = generator.choice(_METHODS)
    line = b" ".join([method.encode(), generator.choice(_TARGETS), generator.choice(_VERSIONS)])
    hosts = [b"Host: a"] if generator.random() < 0.95 else []
    headers = hosts + generator.choices(_HEADERS, k=generator.choice([0, 1, 1, 2, 2, 3]))
    head = b"\r\n".join([line, *headers]) + b"\r\n\r\n"
    return method, head + generator.choice(_BODIES)


def _answers_to(port: int, number: int, case: tuple[str, bytes]) -> list[Answer]:
    method, sent = case
    ours = f"GET /echo?q=1 HTTP/1.1\r\nHost: a\r\nX-Given: {number}\r\nConnection: close\r\n\r\n"
    received = exchange(port, sent, ours.encode(), is_last=False)
    try:
        return answers(received, [method or "GET", "GET", "GET"])
    except http.client.HTTPException as error:
        raise AssertionError(f"{sent!r} was answered {received!r}") from error


def _check(found: list[Answer], number: str, case: tuple[str, bytes]) -> None:
    for answer in found:
        assert answer.status not in (500, 502), (case, answer)
        is_head = case[0] == "HEAD" and answer is found[0]
        if answer.status >= 400 and not is_head:
            assert answer.problem, case
    given = [answer.headers["x-given"] for answer in found if "x-given" in answer.headers]
    assert given in ([], [number]), (case, found)
    if given:
        # Ours is the last, and what came before was one request, or one and a refusal.
        assert found[-1].headers.get("x-given") == number, (case, found)
