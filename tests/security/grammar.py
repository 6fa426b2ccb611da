"""Raw requests that are nearly right: what a client, an attacker or a broken proxy might send."""

from __future__ import annotations

import random

METHODS = ["GET", "GET", "HEAD", "POST", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE",
           "FOO", "get", "CONNECT", "G T"]  # fmt: skip
BASES = ["/function/guest", "/function/image-upload", "/api/v1/images", "/api/v1/jobs/x",
         "/system/info", "/system/functions", "/system/logs?name=guest", "/healthz", "/readyz",
         "/async-function/guest", "/function/nobody", "/", "/page/main.js", "/system/secrets",
         "/system/scale-function/guest", "/metrics", "/_problem/request"]  # fmt: skip
TAILS = ["/", "//", "/..", "/.", "%2e", "%2f", "%00", "%zz", ";a", "?a=b", "?%00", "#x", "\\",
         "%5c", "/a", "%c3%a4", "%20", "/metrics", "/_/ready", "?" + "q" * 5000, "\xe9", "\x01",
         "%25", "=", "&", "/%61"]  # fmt: skip
VERSIONS = ["HTTP/1.1"] * 8 + ["HTTP/1.0", "HTTP/2.0", "HTTP/1.9", "http/1.1", ""]
LINES = ["X-A: b", "X-A:b", "X-A : b", "X_A: b", ": b", "X-A", "X-Tenant: x", "Host: b",
         "X-Gateway-Token: a.b.c", "Content-Type: application/json", "Content-Encoding: gzip",
         "Content-Type: application/json; charset=x", "Content-Encoding: identity",
         "Expect: 100-continue", "Expect: x", "Connection: close", "Connection: keep-alive, X-A",
         "TE: trailers", "Trailer: x", "Range: bytes=0-1", "If-Match: *", "Accept: text/html",
         "X-Call-Id: \xff", "X-Call-Id: " + "z" * 300, "traceparent: 00-x", "X-A: " + "a" * 9000,
         "X-\xe9: a", "X-A: \x00", "X-A: \x7f", "Cookie: a=b", "Transfer-Encoding: identity",
         "X-A: a\r\n b", "Authorization: Basic \xff"]  # fmt: skip
BODIES = [b"", b"x", b"{}", b'{"service":"guest"}', b"[" * 5000, b"0\r\n\r\n", bytes(3000),
          b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n"]  # fmt: skip
CHUNKED = "Transfer-Encoding: chunked"
BROKEN_CHUNKS = [b"zz\r\n", b"5\r\nab\r\n\r\n", b"-1\r\n", b"0x1\r\n", b"fffffffffffffffff\r\n"]
BROKEN_LENGTHS = ["Content-Length: +1", "Content-Length: 1, 1", "Content-Length: 0x1",
                  "Content-Length: 99999999999999999999", "Content-Length:",
                  "Content-Length: 1\r\nContent-Length: 2", f"{CHUNKED}\r\n{CHUNKED}",
                  "Transfer-Encoding: xchunked", "Transfer-Encoding : chunked",
                  "Transfer-Encoding:\x0bchunked", f"{CHUNKED}\r\nContent-Length: 3"]  # fmt: skip


class Grammar:
    """Writes requests, each another, the same ones for the same seed."""

    def __init__(self, seed: int, *credentials: str) -> None:
        self._random = random.Random(seed)
        self._credentials = credentials

    def request(self) -> bytes:
        """Write one request with its body."""
        choose, chance = self._random.choice, self._random.random
        framing, body = self._body()
        lines = [f"{choose(METHODS)} {self._target()} {choose(VERSIONS)}"]
        lines += ["Host: a"] if chance() < 0.95 else []
        lines += [line for line in self._credentials if chance() < 0.7]
        lines += self._random.choices(LINES, k=self._random.choice([0, 0, 0, 1, 2, 4]))
        return "\r\n".join([*lines, *framing]).encode("latin-1") + b"\r\n\r\n" + body

    def _target(self) -> str:
        return self._random.choice(BASES) + "".join(
            self._random.choices(TAILS, k=self._random.choice([0, 0, 0, 1, 2]))
        )

    def _body(self) -> tuple[list[str], bytes]:
        choose = self._random.choice
        body, kind = choose(BODIES), self._random.random()
        if kind < 0.6:
            return [f"Content-Length: {len(body)}"], body
        if kind < 0.7:
            chunk = b"%x\r\n%b\r\n" % (len(body), body) if body else b""
            return [CHUNKED], chunk + b"0\r\n\r\n"
        if kind < 0.8:
            return [CHUNKED], choose(BROKEN_CHUNKS)
        return ([choose(BROKEN_LENGTHS)], body) if kind < 0.95 else ([], b"")
