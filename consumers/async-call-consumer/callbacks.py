"""Where answers may be sent, and how one is: to addresses that a setting names, and no other."""

from __future__ import annotations

import http.client
import re
import socket
import ssl
import threading
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass

from pipeline.errors import PipelineError, Rejected, SettingsError
from pipeline.events.calls import FunctionCalled

_DEFAULT_PORTS = {"http": 80, "https": 443}
# One way to read it: no user, no fragment, nothing encoded that has a meaning of its own.
_ADDRESS = re.compile(
    r"(?P<scheme>https?)://(?P<host>[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?|\[[0-9a-f:.]{2,45}\])"
    r"(?::(?P<port>[1-9][0-9]{0,4}))?"
    r"(?P<path>(?:/(?!\.{1,2}(?:[/?]|$))"
    r"(?:[A-Za-z0-9._~!$&'()*+,=:@-]|%(?!2[EFef]|5[Cc]|25|[01]|7[Ff])[0-9A-Fa-f]{2})+)*/?)"
    r"(?P<query>\?[A-Za-z0-9._~!$&'()*+,=:@/?%-]*)?"
)
_MAX_CHARACTERS = 2_048
_CONNECT_SECONDS = 5.0


class CallbackFailed(PipelineError):
    """The receiver did not take the answer."""

    code = "callback-failed"


@dataclass(frozen=True)
class Address:
    """An address taken apart, so that what is compared is what is connected to."""

    scheme: str
    host: str
    port: int
    path: str
    query: str = ""

    @classmethod
    def parse(cls, text: str) -> Address | None:
        """Read an address; None when it is none, or could be read in two ways."""
        found = _ADDRESS.fullmatch(text) if len(text) <= _MAX_CHARACTERS else None
        if found is None:
            return None
        port = int(found["port"] or _DEFAULT_PORTS[found["scheme"]])
        if port > 65_535:
            return None
        return cls(found["scheme"], found["host"], port, found["path"] or "/", found["query"] or "")

    def allows(self, other: Address) -> bool:
        """Tell whether another is this, or lies below it."""
        same = (self.scheme, self.host, self.port) == (other.scheme, other.host, other.port)
        below = self.path if self.path.endswith("/") else f"{self.path}/"
        return same and (other.path == self.path or other.path.startswith(below))


class Callbacks:
    """Sends answers; safe to share between threads.

    Args:
        allowed: addresses, separated by commas; none when empty.

    Raises:
        SettingsError: one of them is no address.
    """

    def __init__(self, allowed: str, seconds: float) -> None:
        self._allowed = list(_addresses(allowed))
        self._text = allowed
        self._seconds = seconds

    def check(self, url: str) -> Address:
        """Refuse an address that is not allowed.

        Raises:
            Rejected: it is not; says what is.
        """
        address = Address.parse(url)
        if address is not None and any(each.allows(address) for each in self._allowed):
            return address
        allowed = self._text or "none: ASYNC_CALLBACK_URLS is not set"
        raise Rejected(
            f"X-Callback-Url is {url!a:.200}; allowed is {allowed}",
            code="callback-not-allowed",
            found=url[:200],
            allowed=allowed,
        )

    def send(self, call: FunctionCalled, body: bytes) -> None:
        """Post a function's answer; whatever the receiver says but 2xx is a failure.

        Raises:
            CallbackFailed: it was not taken.
            Rejected: the address is allowed no more.
        """
        address = self.check(call.callback_url)
        connection = _connection(address)
        # Of the whole: a receiver that takes or says one byte now and then would never time out.
        late = threading.Timer(self._seconds, _break_off, [connection])
        late.daemon = True
        try:
            connection.connect()
            late.start()
            connection.sock.settimeout(self._seconds)
            self._post(connection, address, call, body)
            status = connection.getresponse().status  # what it says more, nobody reads
        except (OSError, http.client.HTTPException) as error:
            detail = f"{address.host}:{address.port} did not take the answer in"
            raise CallbackFailed(f"{detail} {self._seconds:g} s: {type(error).__name__}") from error
        finally:
            late.cancel()
            connection.close()
        if not 200 <= status < 300:
            raise CallbackFailed(f"{address.host}:{address.port} answered {status}")

    def _post(
        self,
        connection: http.client.HTTPConnection,
        address: Address,
        call: FunctionCalled,
        body: bytes,
    ) -> None:
        assert call.answer is not None
        connection.putrequest("POST", address.path + address.query, skip_accept_encoding=True)
        ours = {
            "X-Call-Id": call.call_id,
            "X-Function-Name": call.function,
            "X-Function-Status": str(call.answer.status),
            "X-Duration-Seconds": f"{call.answer.seconds:.6f}",
            "Content-Length": str(len(body)),
        }
        kept = {name.lower() for name in ours}
        for name, value in call.answer.headers:
            if name.lower() not in kept:
                connection.putheader(name, value)
        for name, value in ours.items():
            connection.putheader(name, value)
        connection.endheaders(body or None)


def _addresses(text: str) -> Iterable[Address]:
    for each in filter(None, (part.strip() for part in text.split(","))):
        address = Address.parse(each)
        if address is None or address.query:
            raise SettingsError(
                f"ASYNC_CALLBACK_URLS={each!r}: expected http:// or https://, a host in lower case,"
                " a port if it is not the usual one, and perhaps a path"
            )
        yield address


def _break_off(connection: http.client.HTTPConnection) -> None:
    with suppress(OSError, AttributeError):  # it has just ended by itself
        connection.sock.shutdown(socket.SHUT_RDWR)


def _connection(address: Address) -> http.client.HTTPConnection:
    host = address.host.strip("[]")
    if address.scheme == "http":
        return http.client.HTTPConnection(host, address.port, timeout=_CONNECT_SECONDS)
    context = ssl.create_default_context()
    return http.client.HTTPSConnection(
        host, address.port, timeout=_CONNECT_SECONDS, context=context
    )
