"""What is known of one API key: all but the key itself. `gateway/identity.js` reads it, too."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from pipeline import rates
from pipeline.ids import TENANT_PATTERN
from pipeline.names import SCOPES

LIVE, EXPIRED, REVOKED = "live", "expired", "revoked"
DIGEST_PATTERN = re.compile(r"[0-9a-f]{64}")
NAME_PATTERN = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9 ._-]{0,61}[A-Za-z0-9._-])?")
# More is no record of ours; nothing that large is read at a request.
MAX_BYTES = 4096

_ID_DIGITS = 12
_MOST_SECONDS = 253_402_300_799  # the end of the year 9999


class MalformedRecord(Exception):
    """A file is no record of a key; the text says what is wrong."""


@dataclass(frozen=True)
class Record:
    """A key by its SHA-256; times are whole seconds since 1970.

    Attributes:
        expires: from when on it opens nothing; None: never.
        revoked: since when it opens nothing; None: it was not revoked.
        replaced_by: the id of the key that it was rotated to.
        file: the stack's own file that it came in, as `api-key`.
        rate: how often it may ask, as `50/s`; `none`: as often as it likes; empty: as the gateway
            has it for all.
        burst: how many of them at once; None where there is no rate of its own.
        counted: the digest under which its requests are counted, if it is not its own.
        more: what a later version of this program knows of it, kept as it is.
    """

    digest: str
    tenant: str
    scopes: tuple[str, ...]
    name: str
    created: int
    expires: int | None = None
    revoked: int | None = None
    replaced_by: str = ""
    file: str = ""
    rate: str = ""
    burst: int | None = None
    counted: str = ""
    more: Mapping[str, Any] = field(default_factory=dict)

    @property
    def id(self) -> str:
        """What the key is called in lists, logs and tokens."""
        return self.digest[:_ID_DIGITS]

    def state(self, now: float) -> str:
        """Tell whether it opens anything."""
        if self.revoked is not None:
            return REVOKED
        return EXPIRED if self.expires is not None and self.expires <= now else LIVE

    def encode(self) -> str:
        """Write it as its file holds it."""
        known = {
            "tenant": self.tenant,
            "scopes": list(self.scopes),
            "name": self.name,
            "created": self.created,
            "expires": self.expires,
            "revoked": self.revoked,
            "replacedBy": self.replaced_by,
            "file": self.file,
            "rate": self.rate,
            "burst": self.burst,
            "counted": self.counted,
        }
        return json.dumps({**self.more, **known}) + "\n"


def digest_of(key: str) -> str:
    """The name under which a key is known."""
    return sha256(key.encode()).hexdigest()


def parse(digest: str, text: str) -> Record:
    """Read a record.

    Raises:
        MalformedRecord: it is none.
    """
    try:
        told = json.loads(text)
    except ValueError as error:
        raise MalformedRecord(f"it is no JSON: {error}") from error
    if not isinstance(told, dict):
        raise MalformedRecord("it is no JSON object")
    more = dict(told)
    rate, burst = _rate(more)
    record = Record(
        digest=digest,
        tenant=_tenant(more.pop("tenant", None)),
        scopes=_scopes(more.pop("scopes", None)),
        name=_text(more, "name"),
        created=_seconds(more, "created") or 0,
        expires=_seconds(more, "expires"),
        revoked=_seconds(more, "revoked"),
        replaced_by=_text(more, "replacedBy"),
        file=_text(more, "file"),
        rate=rate,
        burst=burst,
        counted=_counted(more),
        more=more,
    )
    return record


def _tenant(value: object) -> str:
    if not isinstance(value, str) or not TENANT_PATTERN.fullmatch(value):
        raise MalformedRecord(f"tenant is {value!r}; allowed: {TENANT_PATTERN.pattern}")
    return value


def _scopes(value: object) -> tuple[str, ...]:
    if not isinstance(value, list) or not value or not set(map(str, value)) <= set(SCOPES):
        raise MalformedRecord(f"scopes is {value!r}; allowed: a list of {', '.join(SCOPES)}")
    return tuple(scope for scope in SCOPES if scope in value)


def _rate(told: dict[str, Any]) -> tuple[str, int | None]:
    rate, burst = _text(told, "rate"), told.pop("burst", None)
    if rate in ("", rates.NONE):
        return rate, None
    if not isinstance(burst, int) or isinstance(burst, bool):
        raise MalformedRecord(f"burst is {burst!r}; allowed: a whole number from 1")
    try:
        return rates.checked(rate, burst)
    except ValueError as error:
        raise MalformedRecord(str(error)) from error


def _counted(told: dict[str, Any]) -> str:
    counted = _text(told, "counted")
    if counted and not DIGEST_PATTERN.fullmatch(counted):
        raise MalformedRecord(f"counted is {counted[:100]!r}; allowed: a SHA-256, or nothing")
    return counted


def _text(told: dict[str, Any], name: str) -> str:
    value = told.pop(name, "")
    if not isinstance(value, str):
        raise MalformedRecord(f"{name} is {value!r}; allowed: a text")
    return value


def _seconds(told: dict[str, Any], name: str) -> int | None:
    value = told.pop(name, None)
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= _MOST_SECONDS:
        raise MalformedRecord(f"{name} is {value!r}; allowed: seconds since 1970, or null")
    return value
