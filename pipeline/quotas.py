"""How much a tenant may send and have: the limits, and the document that holds those of some."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace

from pipeline import strict_json
from pipeline.ids import TENANT_PATTERN
from pipeline.settings import Settings

# In the bucket of tenants.
KEY = "quotas.json"

# So many, each in flight, are a place in Redis.
MOST_IN_FLIGHT = 20_000
_MOST = 10**15
_MOST_TENANTS = 10_000
_MAX_BYTES = 2_000_000


@dataclass(frozen=True)
class Quota:
    """Limits of one tenant; 0 is none.

    Attributes:
        images_a_day, bytes_a_day: accepted since midnight UTC.
        images_in_flight: accepted, and neither completed nor failed nor waiting for a retry.
        stored_images, stored_bytes: different ones, ever.
    """

    images_a_day: int = 0
    bytes_a_day: int = 0
    images_in_flight: int = 0
    stored_images: int = 0
    stored_bytes: int = 0

    @classmethod
    def from_settings(cls, settings: Settings) -> Quota:
        """Take what holds for every tenant without its own."""
        return cls(**{name: getattr(settings, f"quota_{name}") for name in NAMES})

    @property
    def is_limited(self) -> bool:
        """Whether there is any limit."""
        return any(getattr(self, name) for name in NAMES)

    @property
    def is_stored_limited(self) -> bool:
        """Whether what is stored is limited."""
        return bool(self.stored_images or self.stored_bytes)


NAMES = tuple(spec.name for spec in fields(Quota))
# What is set for a tenant, by name; for what is not set the settings hold.
Own = Mapping[str, int]


def most(name: str) -> int:
    """Tell the largest limit of a kind."""
    return MOST_IN_FLIGHT if name == "images_in_flight" else _MOST


def check(tenant: str, own: Own) -> None:
    """Refuse what is no quota.

    Raises:
        ValueError: names what was found, and what is allowed.
    """
    if not TENANT_PATTERN.fullmatch(tenant):
        raise ValueError(f"{tenant!a:.100} is no tenant; allowed: {TENANT_PATTERN.pattern}")
    for name, value in own.items():
        if name not in NAMES:
            raise ValueError(f"{name!a:.100} is no quota; allowed: {', '.join(NAMES)}")
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= most(name):
            raise ValueError(f"{name} is {value!a:.100}; allowed: whole numbers to {most(name)}")


class Quotas:
    """The quotas of all tenants."""

    def __init__(self, own: Mapping[str, Own] | None = None) -> None:
        self.own = dict(own or {})

    @classmethod
    def parse(cls, text: bytes | None) -> Quotas:
        """Read the document; None where nobody has set any.

        Raises:
            ValueError: it is none of ours.
        """
        found = {} if text is None else strict_json.parse(text, _MAX_BYTES)
        if not isinstance(found, dict) or len(found) > _MOST_TENANTS:
            raise ValueError(f"quotas are an object of at most {_MOST_TENANTS} tenants")
        for tenant, own in found.items():
            if not isinstance(own, dict):
                raise ValueError(f"the quota of {tenant!a:.100} is no object")
            check(tenant, own)
        return cls(found)

    def document(self) -> bytes:
        """Write it.

        Raises:
            ValueError: they are too many.
        """
        if len(self.own) > _MOST_TENANTS:
            raise ValueError(f"{len(self.own)} tenants have a quota; at most {_MOST_TENANTS} may")
        return json.dumps(self.own, indent=1, sort_keys=True).encode()

    def of(self, tenant: str, usual: Quota) -> Quota:
        """Tell what holds for a tenant."""
        own = self.own.get(tenant)
        return replace(usual, **own) if own else usual
