"""One call of a function: what of its headers passes between caller and replica."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from local.provider.replicas.connection import Headers

HOP_BY_HOP = frozenset(
    {
        b"connection",
        b"keep-alive",
        b"proxy-authenticate",
        b"proxy-authorization",
        b"proxy-connection",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
    }
)
# Told anew to the replica.
REQUEST_ONLY = frozenset(
    {b"host", b"content-length", b"expect", b"x-call-id", b"x-forwarded-for", b"x-start-time"}
)
_NOT_TO_REPLICAS = HOP_BY_HOP | REQUEST_ONLY
_NOT_TO_CALLERS = HOP_BY_HOP | {b"content-length", b"x-call-id", b"x-start-time"}
NO_BODY_METHODS = frozenset({b"GET", b"HEAD", b"OPTIONS", b"TRACE", b"DELETE"})


@dataclass(slots=True)
class Call:
    """A request to a function, as its caller sent it.

    Attributes:
        target: path and query that are left for the function.
        headers: as they came, in their order.
        sender: the address of who sent it.
        started_at: perf_counter seconds.
        started_ns: the same moment in nanoseconds since 1970.
    """

    method: bytes
    target: bytes
    headers: Sequence[tuple[bytes, bytes]]
    sender: str
    call_id: str
    started_at: float
    body: bytes = b""
    started_ns: int = field(default_factory=time.time_ns)

    def request_headers(self, host: bytes, own_login: bytes) -> Headers:
        """Return what the replica is told; `own_login` is left out where a caller sent it."""
        dropped = _NOT_TO_REPLICAS | named_by_connection(self.headers)
        headers: Headers = [(b"Host", host)]
        senders, callers_host, is_forwarded = [], b"", False
        for name, value in self.headers:
            low = name.lower()
            if low not in dropped:
                if low == b"authorization" and value == own_login:  # for /system, by mistake
                    continue
                is_forwarded = is_forwarded or low == b"x-forwarded-host"
                headers.append((name, value))
            elif low == b"x-forwarded-for":
                senders.append(value)
            elif low == b"host":
                callers_host = value
        if not is_forwarded:
            headers.append((b"X-Forwarded-Host", callers_host))
        senders.append(self.sender.encode())
        headers.append((b"X-Forwarded-For", b", ".join(senders)))
        headers.append((b"X-Call-Id", self.call_id.encode()))
        headers.append((b"X-Start-Time", b"%d" % self.started_ns))
        if self.body or self.method not in NO_BODY_METHODS:
            headers.append((b"Content-Length", b"%d" % len(self.body)))
        return headers

    def answer_headers(self, headers: Iterable[tuple[bytes, bytes]]) -> Headers:
        """Return what the caller is told of a replica's headers; the length is told anew."""
        headers = list(headers)
        dropped = _NOT_TO_CALLERS | named_by_connection(headers)
        told = [field for field in headers if field[0].lower() not in dropped]
        told.append((b"X-Call-Id", self.call_id.encode()))
        told += self.times(any(name.lower() == b"x-duration-seconds" for name, _ in told))
        return told

    def times(self, is_duration_told: bool = False) -> Headers:
        """Return when it came and what it took until now; a watchdog says the latter itself."""
        start = (b"X-Start-Time", b"%d" % self.started_ns)
        if is_duration_told:
            return [start]
        seconds = time.perf_counter() - self.started_at
        return [start, (b"X-Duration-Seconds", b"%.6f" % seconds)]


def named_by_connection(headers: Iterable[tuple[bytes, bytes]]) -> frozenset[bytes]:
    """Return the headers that Connection says are about one connection only."""
    values = [value for name, value in headers if name.lower() == b"connection"]
    return frozenset(
        name.strip().lower() for value in values for name in value.split(b",") if value
    )


def length_of(headers: Iterable[tuple[bytes, bytes]]) -> bytes | None:
    return next((value for name, value in headers if name.lower() == b"content-length"), None)


def as_text(value: bytes) -> str:
    """Read as UTF-8, which is how aiohttp writes it; as Latin-1, as HTTP does, what is none."""
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.decode("latin-1")
