"""Where bearer tokens are verified, as Nginx is told it; without a verifier it knows of none."""

from __future__ import annotations

WITH = "send yours in the header X-Api-Key"
WITH_BEARER = f"{WITH}, or a token of the issuer as Authorization: Bearer"
ALLOWED = "a known key in X-Api-Key"
ALLOWED_BEARER = f"{ALLOWED}, or a bearer token that the issuer has signed for this system"

# What nginx.conf asks for at any rate.
_NONE = ("$bearer_unchecked", "$bearer_challenge", "$caller_silent")


def without() -> str:
    """Write the maps of a gateway that asks no verifier: no request has a bearer token."""
    return "".join(f'map $uri {name} {{\n    default "";\n}}\n' for name in _NONE)


def words(is_verified: bool) -> dict[str, str]:
    """Say which credentials are taken, to whoever has none and to pages of other origins."""
    return {
        "CORS_AUTHORIZATION": "Authorization, " if is_verified else "",
        "HOW_TO_COME_IN": WITH_BEARER if is_verified else WITH,
        "WHO_COMES_IN": ALLOWED_BEARER if is_verified else ALLOWED,
    }
