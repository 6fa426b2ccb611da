"""Which requests are taken from a connection: of what form, how large, and how slow.

Waitress parses; what it takes too generously is refused here, so that no two servers on a request's
way can read it differently, and no sender holds a connection or the one thread that reads them all.
"""

from __future__ import annotations

import re
import time
from typing import Any

from waitress.parser import HTTPRequestParser, ParsingError  # type: ignore[import-untyped]
from waitress.receiver import ChunkedReceiver  # type: ignore[import-untyped]

MAX_HEADER_BYTES = 65_536  # Nginx lets half of it through
MAX_HEADERS = 100
# What a chunked body may have beside its bytes: sizes, line ends, extensions, trailers.
MAX_CHUNK_OVERHEAD_BYTES = 262_144
# Waitress moves the rest of what it holds for each chunk: it is given little at a time.
SLICE_BYTES = 8192
SLOWEST_BYTES_PER_SECOND = 10_000
IDLE_SECONDS = 60.0  # our provider gives up its own after 15
CROWDED_IDLE_SECONDS = 2.0  # while there is no room for another connection

_TRANSFER_ENCODING = re.compile(rb"\r\ntransfer-encoding:[ \t]*([^\r\n]*)", re.IGNORECASE)
_TARGET = re.compile(r"[!-~]+")
_HOST = re.compile(r"[A-Za-z0-9._~:%\[\]!$&'()*+;=-]*")


class Refused:
    """Why a request is not taken, in the place of waitress' own errors."""

    def __init__(self, code: int, body: str, found: object = None, allowed: object = None) -> None:
        self.code, self.body, self.found, self.allowed = code, body, found, allowed


class Chunks(ChunkedReceiver):  # type: ignore[misc]
    """A chunked body with as much around its bytes as a sender has reason to send."""

    received_bytes = 0
    error: Any = None

    def received(self, data: bytes) -> int:
        """Take data; return how much of it belongs to this body."""
        taken = 0
        while taken < len(data) and not (self.completed or self.error):
            piece = data[taken : taken + SLICE_BYTES]
            taken += super().received(piece)
            if self.completed:
                break
            if self.received_bytes + taken - len(self) > MAX_CHUNK_OVERHEAD_BYTES:
                allowed = MAX_CHUNK_OVERHEAD_BYTES
                self.error = Refused(400, "the chunks are too small", None, allowed)
        self.received_bytes += taken
        return taken


class Parser(HTTPRequestParser):  # type: ignore[misc]
    """One request as it is received."""

    error: Any = None
    body_rcv: Any = None
    body_bytes_received: int = 0

    def __init__(self, adj: Any) -> None:
        super().__init__(adj)
        self.begun_at = time.monotonic()
        self.refused: Refused | None = None

    def received(self, data: bytes) -> int:
        """Take data; return how much of it belongs to this request."""
        consumed: int = super().received(data)
        if self.error is not None:
            self.error = self.refused or self._own(self.error, data)
            # Or waitress would ask for the body and wait for it.
            self.expect_continue = False
        return consumed

    def parse_header(self, header_plus: bytes) -> None:
        """Read the first line and the headers; raise ParsingError for what is not taken."""
        # Without the request line and the empty one.
        if (count := header_plus.count(b"\r\n") - 2) > MAX_HEADERS:
            self.first_line = header_plus.partition(b"\r\n")[0]
            self._refuse(431, f"there are more than {MAX_HEADERS} headers", count, MAX_HEADERS)
        try:
            super().parse_header(header_plus)
        except ValueError as error:  # an address or a number that Python will not read
            raise ParsingError("the request line or Content-Length cannot be read") from error
        self._check_line()
        self._check_body(_TRANSFER_ENCODING.findall(header_plus))
        host = self.headers.get("HOST")
        if (host is None and self.version == "1.1") or not _HOST.fullmatch(host or ""):
            self._refuse(400, "Host must be given once, as host:port", host and host[:200])
        if self.body_rcv is None:
            self.expect_continue = False  # waitress would wait for the next request as the body

    def is_overdue(self, now: float, receive_seconds: float) -> bool:
        """Tell whether the sender is too slow to be waited for any longer."""
        granted = receive_seconds + self.body_bytes_received / SLOWEST_BYTES_PER_SECOND
        return now - self.begun_at > granted

    def _check_line(self) -> None:
        if self.version not in ("1.0", "1.1"):
            found = f"HTTP/{self.version}" if self.version else "no version"
            self._refuse(505, f"the request has {found}", found, "HTTP/1.0, HTTP/1.1")
        if not _TARGET.fullmatch(self.request_uri):
            self._refuse(400, "the request line holds characters that are not printable ASCII")
        try:
            self.path.encode("latin-1").decode()
        except UnicodeDecodeError:
            found = self.request_uri[:200]
            self._refuse(400, "the path is not UTF-8", found, "percent-encoded UTF-8")

    def _check_body(self, encodings: list[bytes]) -> None:
        """Refuse a body whose end servers could see at different places (RFC 9112, 6.3)."""
        if not encodings:
            return
        if not self.chunked or [each.strip().lower() for each in encodings] != [b"chunked"]:
            self._refuse(
                400, "Transfer-Encoding must be chunked, once, in HTTP/1.1", None, "chunked"
            )
        if "CONTENT_LENGTH" in self.headers:
            self._refuse(400, "the request has both Content-Length and Transfer-Encoding")
        self.body_rcv = Chunks(self.body_rcv.getbuf())

    def _refuse(
        self, status: int, detail: str, found: object = None, allowed: object = None
    ) -> None:
        self.refused = Refused(status, detail, found, allowed)
        raise ParsingError(detail)

    def _own(self, error: Any, data: bytes) -> Any:
        if error.code == 431:
            # Waitress has put another first line in its place by now.
            self.first_line = (self.header_plus + data[:SLICE_BYTES]).lstrip()[:5]
            found, limit = self.header_bytes_received, MAX_HEADER_BYTES
            return Refused(431, f"the headers are {found} bytes or more", found, limit)
        if error.code == 413:
            found = self.content_length or self.body_bytes_received
            # Twice of what a handler takes is read all the same, to answer rather than cut off.
            limit = self.adj.max_request_body_size // 2
            detail = f"body is {found} bytes or more; the limit is {limit} bytes"
            return Refused(413, detail, found, limit)
        return error


def give_up_on_slow(server: Any, now: float, receive_seconds: float) -> None:
    """Answer 408 on connections whose request does not arrive, and close those without one."""
    patience = CROWDED_IDLE_SECONDS if server.in_connection_overflow else IDLE_SECONDS
    for channel in list(server.active_channels.values()):
        with channel.requests_lock:
            if channel.requests:
                continue
            if channel.request is None:
                is_idle = not channel.total_outbufs_len and now - channel.quiet_since > patience
                channel.will_close = channel.will_close or is_idle
            elif channel.request.is_overdue(now, receive_seconds):
                rate = f"{receive_seconds:g} s, then {SLOWEST_BYTES_PER_SECOND} bytes a second"
                channel.request.error = Refused(408, "the request does not arrive", None, rate)
                channel.requests.append(channel.request)
                channel.request = None
                server.add_task(channel)
