"""What the verifier is told: whose tokens are taken, and what their claims mean here."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from urllib.parse import SplitResult, urlsplit

from pipeline.ids import TENANT_PATTERN
from pipeline.names import SCOPES

_URL = re.compile(r"[!-~]{1,2000}")
_MOST_SECONDS = 86_400


@dataclass(frozen=True)
class Settings:
    """Of one issuer; each is the variable OIDC_<NAME>.

    Attributes:
        issuer: as its tokens name it, to the letter.
        audience: what a token must be meant for.
        jwks_url: where its keys are; empty: where its discovery document says, at the same origin.
        ca_file: who vouches for its certificate; empty: whom this machine trusts.
        tenant_claim, scope_claim: the claim's name, or a way to it with dots.
        tenants: a claim's value → tenant; empty: the value is the tenant.
        scopes: a claim's value → scope.
        keys_seconds: after how long keys are asked for anew.
    """

    issuer: str
    audience: str
    jwks_url: str = ""
    ca_file: str = ""
    tenant_claim: str = "tenant"
    scope_claim: str = "scope"
    tenants: Mapping[str, str] = field(default_factory=dict)
    scopes: Mapping[str, str] = field(default_factory=lambda: {name: name for name in SCOPES})
    keys_seconds: int = 600
    host: str = "127.0.0.1"
    port: int = 8085

    @classmethod
    def from_env(cls, env: Mapping[str, str]) -> Settings:
        """Read the environment.

        Raises:
            ValueError: naming every variable that is wrong, not only the first.
        """
        wrong: list[str] = []
        settings = cls(
            issuer=_url(env, "OIDC_ISSUER", wrong),
            audience=env.get("OIDC_AUDIENCE") or "",
            jwks_url=_url(env, "OIDC_JWKS_URL", wrong) if env.get("OIDC_JWKS_URL") else "",
            ca_file=env.get("OIDC_CA_FILE") or "",
            tenant_claim=env.get("OIDC_TENANT_CLAIM") or cls.tenant_claim,
            scope_claim=env.get("OIDC_SCOPE_CLAIM") or cls.scope_claim,
            tenants=_mapping(env, "OIDC_TENANTS", wrong, TENANT_PATTERN.fullmatch, "a tenant"),
            scopes=_mapping(env, "OIDC_SCOPES", wrong, SCOPES.__contains__, ", ".join(SCOPES))
            or {name: name for name in SCOPES},
            keys_seconds=_number(env, "OIDC_KEYS_SECONDS", cls.keys_seconds, _MOST_SECONDS, wrong),
            host=env.get("LISTEN_HOST") or cls.host,
            port=_number(env, "OIDC_PORT", cls.port, 65_535, wrong),
        )
        if not settings.audience:
            wrong.append("OIDC_AUDIENCE is empty: expected what the issuer's tokens for us name")
        if wrong:
            raise ValueError("; ".join(wrong))
        return settings


def origin(url: str) -> tuple[str, str | None, int | None]:
    """Tell whom a connection to this address is made to."""
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port or {"http": 80, "https": 443}[parts.scheme]


def fault(url: str) -> str:
    """Say what is wrong with an address that keys are fetched from; empty: nothing."""
    if not _URL.fullmatch(url):
        return "1 to 2000 characters of ASCII without spaces"
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return "an address that can be read"
    if parts.scheme not in ("https", "http") or not parts.hostname or port == 0:
        return "https://HOST"
    if parts.scheme == "http" and not _is_loopback(parts):
        return "https, but for this machine itself"
    if parts.username is not None or "?" in url or "#" in url:
        return "no user, no query and no fragment"
    return ""


def _is_loopback(parts: SplitResult) -> bool:
    try:
        return ipaddress.ip_address(parts.hostname or "").is_loopback
    except ValueError:
        return parts.hostname == "localhost"


def _url(env: Mapping[str, str], name: str, wrong: list[str]) -> str:
    text = env.get(name) or ""
    if expected := fault(text):
        wrong.append(f"{name}={text[:100]!r}: expected {expected}")
    return text


def _number(env: Mapping[str, str], name: str, default: int, most: int, wrong: list[str]) -> int:
    text = env.get(name) or str(default)
    if re.fullmatch(r"[0-9]{1,6}", text) and 0 < int(text) <= most:
        return int(text)
    wrong.append(f"{name}={text[:100]!r}: expected a whole number, 1 to {most}")
    return default


def _mapping(
    env: Mapping[str, str],
    name: str,
    wrong: list[str],
    is_allowed: Callable[[str], object],
    allowed: str,
) -> dict[str, str]:
    """Read `value=ours,value=ours`: a value may have a = itself, but no comma."""
    found: dict[str, str] = {}
    for row in filter(None, (each.strip() for each in (env.get(name) or "").split(","))):
        value, _, ours = row.rpartition("=")
        if not value or not is_allowed(ours) or value in found:
            wrong.append(f"{name}: {row[:100]!r}: expected VALUE=NAME once, NAME one of: {allowed}")
        found[value] = ours
    return found
