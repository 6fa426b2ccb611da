"""Who calls a function: a token that the gateway or the consumer signed for this one request.

`v1.<payload>.<signature>`: base64url of JSON, and base64url of HMAC-SHA256 over all before it. The
key of each sender and function is a secret of its own, so that what one function holds opens no
other. `gateway/identity.js` makes the same tokens.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pipeline.errors import Forbidden, Unauthorized
from pipeline.ids import TENANT_PATTERN
from pipeline.names import ADMIN
from pipeline.settings import Settings

TOKEN_HEADER = "X-Gateway-Token"
GATEWAY = "gateway"
CONSUMER = "consumer"
# What the consumer alone may do: no key allows it.
REFERENCES = "references"

_VERSION = "v1"
_CLOCKS_DIFFER_SECONDS = 5
_MOST_CHARACTERS = 8192
_ALLOWED = "requests through the gateway, with X-Api-Key"


@dataclass(frozen=True)
class Caller:
    """Whoever a token speaks for; the consumer has no tenant."""

    sender: str
    tenant: str
    scopes: frozenset[str]
    key_id: str
    trace_id: str

    def require(self, scope: str) -> None:
        """Refuse a caller that may not do this with its tenant's images.

        Raises:
            Forbidden: it lacks the scope.
        """
        if not self.scopes & {scope, ADMIN}:
            found = ", ".join(sorted(self.scopes)) or "none"
            raise Forbidden(
                f"this needs the scope {scope}; the key has {found}", found=found, allowed=scope
            )


class Signer:
    """Signs requests of one sender to one function."""

    def __init__(self, sender: str, function: str, key: str) -> None:
        self._fixed = {"sender": sender, "function": function}
        self._key = key.encode()

    def sign(
        self,
        method: str,
        path: str,
        *,
        scopes: tuple[str, ...],
        lifetime_seconds: float,
        tenant: str = "",
        key_id: str = "",
        trace_id: str = "",
    ) -> str:
        """Make the token of one request; `path` is the one that the function sees, decoded."""
        payload = {
            **self._fixed,
            "tenant": tenant,
            "scopes": list(scopes),
            "keyId": key_id,
            "method": method,
            "path": path,
            "traceId": trace_id,
            "expires": int(time.time() + lifetime_seconds),
        }
        text = json.dumps(payload, ensure_ascii=False, separators=(",", ":"))
        signed = f"{_VERSION}.{_encode(text.encode())}"
        return f"{signed}.{_encode(_signature(self._key, signed))}"


class Verifier:
    """Knows whose requests one function takes: senders and the keys that they sign with."""

    def __init__(self, function: str, keys: Mapping[str, str]) -> None:
        self._function = function
        self._keys = {sender: key.encode() for sender, key in keys.items()}

    @classmethod
    def of_gateway(cls, settings: Settings, function: str) -> Verifier:
        """Take what the gateway signed for this function."""
        return cls(function, {GATEWAY: settings.secrets.text(f"{function}-key")})

    @classmethod
    def of_gateway_and_consumer(cls, settings: Settings, function: str) -> Verifier:
        """Take what the gateway, and what the consumer signed for this function."""
        keys = {
            GATEWAY: settings.secrets.text(f"{function}-key"),
            CONSUMER: settings.secrets.text("consumer-classifier-key"),
        }
        return cls(function, keys)

    def verify(self, token: str, method: str, path: str) -> Caller:
        """Tell who calls.

        Raises:
            Unauthorized: there is no token, or it is not for this request; says what is wrong.
        """
        sender, payload = self._read(token)
        expected = {"sender": sender, "function": self._function, "method": method, "path": path}
        for name, value in expected.items():
            if payload.get(name) != value:
                raise _unauthorized(f"is for another {name}")
        if not time.time() < _number(payload, "expires") + _CLOCKS_DIFFER_SECONDS:
            raise _unauthorized("has expired")
        tenant = str(payload.get("tenant", ""))
        if sender == GATEWAY and not TENANT_PATTERN.fullmatch(tenant):
            raise _unauthorized("names no tenant")
        return Caller(
            sender=sender,
            tenant=tenant,
            scopes=frozenset(map(str, payload.get("scopes") or ())),
            key_id=str(payload.get("keyId", "")),
            trace_id=str(payload.get("traceId", "")),
        )

    def _read(self, token: str) -> tuple[str, dict[str, Any]]:
        if not token:
            raise _unauthorized("is missing")
        signed, _, signature = token.rpartition(".")
        version, _, payload = signed.partition(".")
        if len(token) > _MOST_CHARACTERS or version != _VERSION or not token.isascii():
            raise _unauthorized(f"is no token of version {_VERSION}")
        given = signature.encode()
        for sender, key in self._keys.items():
            expected = _encode(_signature(key, signed)).encode()
            if hmac.compare_digest(expected, given):
                return sender, _payload(payload)
        raise _unauthorized("has a wrong signature")


def _payload(text: str) -> dict[str, Any]:
    """Read what a sender has signed."""
    try:
        payload = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    except (ValueError, binascii.Error) as error:
        raise _unauthorized("cannot be read") from error
    if not isinstance(payload, dict):
        raise _unauthorized("cannot be read")
    return payload


def _number(payload: Mapping[str, Any], name: str) -> float:
    value = payload.get(name)
    return value if isinstance(value, int | float) else 0.0


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _signature(key: bytes, signed: str) -> bytes:
    return hmac.digest(key, signed.encode(), "sha256")


def _unauthorized(what: str) -> Unauthorized:
    return Unauthorized(
        f"{TOKEN_HEADER} {what}; send the request through the gateway", allowed=_ALLOWED
    )
