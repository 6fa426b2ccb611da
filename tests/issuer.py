"""A small OpenID Connect issuer on 127.0.0.1, with keys made at run time, that can misbehave."""

from __future__ import annotations

import base64
import json
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import get_default_algorithms

AUDIENCE = "image-pipeline"
DISCOVERY = "/.well-known/openid-configuration"
JWKS = "/keys"
_MAKERS = {
    "RS256": lambda: rsa.generate_private_key(65537, 2048),
    "PS256": lambda: rsa.generate_private_key(65537, 2048),
    "ES256": lambda: ec.generate_private_key(ec.SECP256R1()),
    "EdDSA": ed25519.Ed25519PrivateKey.generate,
}


class SigningKey:
    """A private key of an issuer, and what it shows of it."""

    def __init__(self, algorithm: str, kid: str) -> None:
        self.algorithm, self.kid = algorithm, kid
        self.private: Any = _MAKERS[algorithm]()

    @property
    def shown(self) -> dict[str, Any]:
        """Its public part, as a JSON Web Key."""
        algorithm = get_default_algorithms()[self.algorithm]
        public: dict[str, Any] = json.loads(algorithm.to_jwk(self.private.public_key()))
        return {**public, "kid": self.kid, "use": "sig", "alg": self.algorithm}


class Issuer:
    """Serves a discovery document and keys, and signs tokens.

    Attributes:
        keys: by name; what is served of them follows.
        answers: what is served instead: a status, headers and a body, or seconds of silence.
        asked: every path that was asked for.
    """

    def __init__(self, port: int = 0, tls: ssl.SSLContext | None = None) -> None:
        self.keys = {name: SigningKey(name, f"{name}-1") for name in _MAKERS}
        self.answers: dict[str, tuple[int, dict[str, str], bytes] | float] = {}
        self.asked: list[str] = []
        self.ended = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", port), self._handler())
        self.port = self._server.server_address[1]
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self.port}"
        if tls:
            # The handshake is the connection's own thread's: one that fails holds up no other.
            self._server.socket = tls.wrap_socket(
                self._server.socket, server_side=True, do_handshake_on_connect=False
            )
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def stop(self) -> None:
        """Listen no more."""
        self.ended.set()
        self._server.shutdown()
        self._server.server_close()

    def token(self, algorithm: str = "ES256", **claims: Any) -> str:
        """Sign a token that opens, with other claims; None leaves one out."""
        return self.signed(self.keys[algorithm], self.claims(**claims))

    def claims(self, **others: Any) -> dict[str, Any]:
        """What a good token says."""
        now = int(time.time())
        usual = {
            "iss": self.url, "aud": AUDIENCE, "sub": "anna@example.org", "iat": now,
            "exp": now + 600, "tenant": "press", "scope": "openid upload read",
        }  # fmt: skip
        return {name: value for name, value in {**usual, **others}.items() if value is not None}

    def signed(self, key: SigningKey, claims: dict[str, Any], **headers: Any) -> str:
        """Sign whatever is claimed, as PyJWT takes it, with these headers beside its own."""
        told = {"kid": key.kid, **headers}
        told = {name: value for name, value in told.items() if value is not None}
        return jwt.encode(claims, key.private, algorithm=key.algorithm, headers=told)

    def written(self, key: SigningKey, header: bytes, payload: bytes) -> str:
        """Sign bytes that no library would write."""
        signed = f"{_encoded(header)}.{_encoded(payload)}"
        algorithm = get_default_algorithms()[key.algorithm]
        return f"{signed}.{_encoded(algorithm.sign(signed.encode(), key.private))}"

    def documents(self) -> dict[str, Any]:
        """What a good issuer serves."""
        return {
            DISCOVERY: {"issuer": self.url, "jwks_uri": f"{self.url}{JWKS}"},
            JWKS: {"keys": [key.shown for key in self.keys.values()]},
        }

    def _handler(issuer: Issuer) -> type[BaseHTTPRequestHandler]:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                issuer.asked.append(self.path)
                given = issuer.answers.get(self.path)
                if isinstance(given, float):
                    issuer.ended.wait(given)
                    return
                document = issuer.documents().get(self.path)
                status, headers, body = given or (
                    200 if document else 404, {}, json.dumps(document).encode()
                )  # fmt: skip
                self.send_response(status)
                for name, value in {"Content-Length": str(len(body)), **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: Any) -> None:
                """Say nothing."""

        return Handler


@contextmanager
def running_issuer(port: int = 0, tls: ssl.SSLContext | None = None) -> Iterator[Issuer]:
    """Start an issuer; stop it when done."""
    issuer = Issuer(port, tls)
    try:
        yield issuer
    finally:
        issuer.stop()


def _encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
