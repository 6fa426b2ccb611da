"""How this machine's own commands reach the gateway, whichever certificate it shows."""

from __future__ import annotations

import http.client
import socket
import ssl

from local.services.certificates import keeper
from local.services.settings import Stack


class _Pinned(http.client.HTTPSConnection):
    """A connection by an address, to whoever has the one certificate that was put there."""

    def connect(self) -> None:
        # No name is looked at: it is for others, and the certificate itself is known.
        plain = socket.create_connection((self.host, self.port), self.timeout)
        self.sock = self._context.wrap_socket(plain)  # type: ignore[attr-defined]


def connection(stack: Stack, seconds: float) -> http.client.HTTPConnection:
    """Make a connection, which connects when it is used.

    Raises:
        OSError: the certificate cannot be read.
    """
    host, port = stack.tls.reached_at, stack.ports.gateway
    if not stack.tls.is_on:
        return http.client.HTTPConnection(host, port, timeout=seconds)
    return _Pinned(host, port, timeout=seconds, context=_context(stack))


def _context(stack: Stack) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    # Whoever made it: the server's own certificate ends the chain.
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    context.load_verify_locations(keeper.pair(stack))
    return context
