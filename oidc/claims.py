"""Who calls, by what a verified token claims: a tenant, scopes, and an id that names nobody."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from oidc.refusal import FORBIDDEN, Refused
from pipeline.ids import TENANT_PATTERN
from pipeline.names import ADMIN, SCOPES
from pipeline.oidc_settings import Settings

_ID_DIGITS = 12


@dataclass(frozen=True)
class Caller:
    """As a key's record says it."""

    tenant: str
    scopes: tuple[str, ...]
    id: str

    def allows(self, scope: str) -> bool:
        """Whether it may do what takes this scope; what takes none is for everybody."""
        return not scope or bool({scope, ADMIN} & {*self.scopes})

    def __str__(self) -> str:
        return f"{self.tenant} {self.id} {' '.join(self.scopes)}"


def caller(claims: Mapping[str, Any], settings: Settings) -> Caller:
    """Tell whom a token stands for.

    Raises:
        Refused: 403, it is genuine, but names no tenant or no scope of ours.
    """
    tenant = _claim(claims, settings.tenant_claim)
    if isinstance(tenant, str) and settings.tenants:
        tenant = settings.tenants.get(tenant)
    if not isinstance(tenant, str) or not TENANT_PATTERN.fullmatch(tenant):
        raise Refused("whose tenant is missing, or none that is allowed here", FORBIDDEN)
    found = {settings.scopes.get(value) for value in _values(_claim(claims, settings.scope_claim))}
    scopes = tuple(scope for scope in SCOPES if scope in found)
    if not scopes:
        raise Refused("without a scope that is known here", FORBIDDEN)
    # Of a person nothing is told on: neither logs nor functions learn who it is.
    digest = hashlib.sha256(f"{settings.issuer}\n{claims['sub']}".encode()).hexdigest()
    return Caller(tenant, scopes, digest[:_ID_DIGITS])


def _claim(claims: Mapping[str, Any], name: str) -> Any:
    """A claim of this name, which may have dots; else what lies at the end of the way they tell."""
    if name in claims:
        return claims[name]
    found: Any = claims
    for step in name.split("."):
        found = found.get(step) if isinstance(found, dict) else None
    return found


def _values(claim: Any) -> list[str]:
    """Scopes are words of one text (RFC 8693), or, as some issuers write them, a list."""
    if isinstance(claim, str):
        return claim.split(" ")
    return [each for each in claim if isinstance(each, str)] if isinstance(claim, list) else []
