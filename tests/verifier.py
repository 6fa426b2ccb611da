"""The verifier of bearer tokens as the local stack runs it, and the real gateway before it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import requests

from tests.gateway import Answer, Gateway, exchange, running_gateway
from tests.issuer import AUDIENCE, Issuer
from tests.ports import free_ports
from tests.provider import stop
from tests.stack import ROOT, until


class Verifier:
    """A process; `settings` are what it and the gateway are told."""

    def __init__(self, issuer: Issuer, **settings: str) -> None:
        (self.port,) = free_ports(1)
        self.settings = {
            "OIDC_ISSUER": issuer.url,
            "OIDC_AUDIENCE": AUDIENCE,
            "OIDC_PORT": str(self.port),
            **settings,
        }
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        environment = {**os.environ, **self.settings}
        self._process = subprocess.Popen([sys.executable, "-m", "oidc"], cwd=ROOT, env=environment)
        until(self._is_up)

    def stop(self) -> None:
        if self._process and self._process.poll() is None:
            stop(self._process)

    def _is_up(self) -> bool:
        try:
            answer = requests.get(f"http://127.0.0.1:{self.port}/healthz", timeout=5)
        except requests.RequestException:
            return False
        # It begins by asking its issuer.
        return answer.ok and "not asked yet" not in answer.text


class BearerGateway:
    """Nginx, verifier, issuer: what a request without a key is answered."""

    def __init__(self, gateway: Gateway, verifier: Verifier, issuer: Issuer) -> None:
        self.gateway, self.verifier, self.issuer = gateway, verifier, issuer

    def ask(
        self,
        *lines: str,
        target: str = "/function/image-upload",
        method: str = "GET",
        body: bytes = b"",
    ) -> Answer:
        return exchange(self.gateway.port, self.request(target, method, lines, body), method)

    def bearer(self, token: str, target: str = "/function/image-upload") -> Answer:
        return self.ask(f"Authorization: Bearer {token}", target=target)

    @staticmethod
    def request(target: str, method: str, lines: tuple[str, ...], body: bytes = b"") -> bytes:
        head = [f"{method} {target} HTTP/1.1", "Host: a", f"Content-Length: {len(body)}", *lines]
        return "\r\n".join(head).encode("latin-1") + b"\r\n\r\n" + body


@contextmanager
def running_bearer_gateway(
    folder: Path, issuer: Issuer, *functions: str, **settings: str
) -> Iterator[BearerGateway]:
    """Start a verifier of this issuer, and the gateway that asks it."""
    verifier = Verifier(issuer, **settings)
    verifier.start()
    try:
        with running_gateway(folder, *functions, **verifier.settings) as gateway:
            yield BearerGateway(gateway, verifier, issuer)
    finally:
        verifier.stop()
