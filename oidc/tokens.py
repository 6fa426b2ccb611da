"""Whether a token is the issuer's, for us, and of now: RFC 7515, 7519 and 8725 by PyJWT."""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass
from typing import Any

import jwt

from oidc.keys import ALGORITHMS, Key
from oidc.refusal import Refused
from pipeline import strict_json
from pipeline.oidc_settings import Settings

# Clocks differ.
LEEWAY_SECONDS = 30
# Nginx takes no header line of more than 8 kB.
MAX_TOKEN_BYTES = 8192
_SCHEME = re.compile(r"bearer +([A-Za-z0-9._~+/=-]+) *", re.IGNORECASE)
_PARTS = re.compile(r"([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)")
_TYPES = frozenset({"jwt", "at+jwt", "application/jwt", "application/at+jwt"})
_TIMES = ("exp", "nbf", "iat")
# What PyJWT finds wrong, the first that fits: each is a kind of the last.
_FAULTS: tuple[tuple[type[jwt.InvalidTokenError], str], ...] = (
    (jwt.ExpiredSignatureError, "that has expired"),
    (jwt.ImmatureSignatureError, "that is not valid yet"),
    (jwt.InvalidIssuerError, "of another issuer"),
    (jwt.InvalidAudienceError, "for another audience"),
    (jwt.MissingRequiredClaimError, "without exp, iss, aud or sub"),
    (jwt.InvalidSignatureError, "with a wrong signature"),
    (jwt.InvalidTokenError, "that cannot be read"),
)


@dataclass(frozen=True)
class Unverified:
    """A token as it came: whose it is, its key has to say."""

    text: str
    algorithm: str
    kid: str | None


def read(authorization: str) -> Unverified:
    """Take a token apart, and believe nothing of it.

    Headers that lead to other keys (jku, x5u, jwk, x5c) are not looked at.

    Raises:
        Refused: it is no token that could be verified.
    """
    said = _SCHEME.fullmatch(authorization)
    parts = _PARTS.fullmatch(said[1]) if said else None
    if not said or not parts or len(said[1]) > MAX_TOKEN_BYTES:
        raise Refused("that cannot be read")
    header, _ = _document(parts[1]), _document(parts[2])
    algorithm, kid = header.get("alg"), header.get("kid")
    if not isinstance(algorithm, str) or algorithm not in ALGORITHMS:
        raise Refused(f"with an algorithm that is none of {', '.join(sorted(ALGORITHMS))}")
    if "crit" in header:
        raise Refused("with an extension that is not understood")
    kind = header.get("typ", "JWT")
    if not isinstance(kind, str) or kind.lower() not in _TYPES:
        raise Refused("of another type than JWT or at+jwt")
    if kid is not None and not isinstance(kid, str):
        raise Refused("that cannot be read")
    return Unverified(said[1], algorithm, kid)


def verify(token: Unverified, key: Key, settings: Settings) -> dict[str, Any]:
    """Tell what a token says.

    Raises:
        Refused: it was not signed with this key, or not for us, or not for now.
    """
    try:
        claims = jwt.decode(
            token.text,
            key.public,
            algorithms=[token.algorithm],
            audience=settings.audience,
            issuer=settings.issuer,
            leeway=LEEWAY_SECONDS,
            options={"require": ["exp", "iss", "aud", "sub"]},
        )
    except jwt.InvalidTokenError as error:
        raise Refused(next(what for kind, what in _FAULTS if isinstance(error, kind))) from error
    # PyJWT takes what int() takes: "2000000000", too, and true.
    for name in _TIMES:
        if name in claims and type(claims[name]) not in (int, float):
            raise Refused(f"whose {name} is no number")
    if not claims["sub"] or not isinstance(claims["sub"], str):
        raise Refused("whose sub is no text")
    return claims


def _document(part: str) -> dict[str, Any]:
    try:
        data = base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
        found = strict_json.parse(data, MAX_TOKEN_BYTES)
    except (ValueError, binascii.Error) as error:
        raise Refused("that cannot be read") from error
    if not isinstance(found, dict):
        raise Refused("that cannot be read")
    return found
