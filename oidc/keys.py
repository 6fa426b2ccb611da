"""The public keys in an issuer's JSON Web Key Set, and which signatures each may make."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from jwt.algorithms import AllowedPublicKeys, ECAlgorithm, OKPAlgorithm, RSAAlgorithm
from jwt.exceptions import InvalidKeyError

MAX_KEYS = 100
# Of RSA: fewer bits are broken, more cost milliseconds a token.
_BITS = range(2048, 8193)
# Nearly all keys have 65537: an exponent of thousands of bits would cost as many times more.
_LARGEST_EXPONENT = 2**32
_VALUE = re.compile(r"[A-Za-z0-9_-]{1,1400}")
_KID = re.compile(r"[ -~]{1,256}")

# By kind and curve: the members that make such a key, who reads it, what it may sign.
_KINDS = {
    ("RSA", ""): (("n", "e"), RSAAlgorithm, ("RS256", "PS256")),
    ("EC", "P-256"): (("x", "y"), ECAlgorithm, ("ES256",)),
    ("OKP", "Ed25519"): (("x",), OKPAlgorithm, ("EdDSA",)),
}
ALGORITHMS = frozenset(name for _, _, names in _KINDS.values() for name in names)


@dataclass(frozen=True)
class Key:
    """One public key."""

    kid: str
    algorithms: frozenset[str]
    public: AllowedPublicKeys


def read(document: Any) -> tuple[Key, ...]:
    """Take the keys that can be used; the others are of no use to us, and no fault.

    Raises:
        ValueError: it is no key set, or has too many.
    """
    found = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(found, list) or len(found) > MAX_KEYS:
        raise ValueError(f"expected a JSON Web Key Set with at most {MAX_KEYS} keys")
    return tuple(key for each in found if (key := _key(each)))


def choose(keys: tuple[Key, ...], kid: str | None, algorithm: str) -> Key | None:
    """Find the key that a token names; one that names none means the only one there is."""
    fitting = [key for key in keys if algorithm in key.algorithms]
    if kid is None:
        return fitting[0] if len(fitting) == 1 else None
    return next((key for key in fitting if key.kid == kid), None)


def _key(told: Any) -> Key | None:
    if not isinstance(told, dict) or told.get("use", "sig") != "sig":
        return None
    kind, curve = told.get("kty"), told.get("crv", "") if told.get("kty") != "RSA" else ""
    operations = told.get("key_ops", ["verify"])
    if not isinstance(operations, list) or "verify" not in operations:
        return None
    # A list or an object as a name is no name.
    if not isinstance(kind, str) or not isinstance(curve, str) or (kind, curve) not in _KINDS:
        return None
    names, reader, algorithms = _KINDS[kind, curve]
    public = _public(told, names, reader)
    kid = told.get("kid", "")
    if public is None or not isinstance(kid, str) or (kid and not _KID.fullmatch(kid)):
        return None
    wanted = told.get("alg")
    return Key(kid, frozenset(algorithms if wanted is None else {wanted} & {*algorithms}), public)


def _public(told: Mapping[str, Any], names: tuple[str, ...], reader: Any) -> Any:
    """Make the key of its public members alone: a private one that an issuer shows is not read."""
    values = {name: told.get(name) for name in names}
    if not all(isinstance(each, str) and _VALUE.fullmatch(each) for each in values.values()):
        return None
    known = {name: told[name] for name in ("kty", "crv") if name in told}
    try:
        key = reader.from_jwk(json.dumps({**known, **values}))
    except (InvalidKeyError, ValueError, UnsupportedAlgorithm):
        return None
    if isinstance(key, RSAPublicKey):
        exponent = key.public_numbers().e
        if key.key_size not in _BITS or exponent >= _LARGEST_EXPONENT:
            return None
    return key
