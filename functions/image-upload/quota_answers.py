"""What a tenant is told of its quota: the headers of every answer, and the refusal beyond it."""

from __future__ import annotations

from pipeline.errors import OverQuota
from pipeline.quotas import NAMES, Quota
from pipeline.storage.usage import Used

_DAY_SECONDS = 24 * 3600
# When another of a tenant's images is likely finished; and when somebody may have raised a quota.
_FLIGHT_SECONDS, _STORED_SECONDS = 5, 3600
_WHAT = {
    "images_a_day": "images were accepted today, this one included; the quota is {} a day",
    "bytes_a_day": "bytes were accepted today, these included; the quota is {} a day",
    "images_in_flight": "images are unfinished, this one included; the quota is {} at a time",
    "stored_images": "images are stored, this one included; the quota is {}",
    "stored_bytes": "bytes are stored, these included; the quota is {}",
}


def headers(quota: Quota, used: Used, now: float) -> dict[str, str]:
    """Say the quotas as draft-ietf-httpapi-ratelimit-headers has it."""
    policies, left = [], []
    for name in NAMES:
        if limit := getattr(quota, name):
            is_daily = name.endswith("_day")
            title = f'"{name.replace("_", "-")}"'
            policies.append(f"{title};q={limit}" + (f";w={_DAY_SECONDS}" if is_daily else ""))
            reset = f";t={_left_of_day(now)}" if is_daily else ""
            left.append(f"{title};r={max(0, limit - getattr(used, name))}{reset}")
    return {"RateLimit-Policy": ", ".join(policies), "RateLimit": ", ".join(left)}


def refusal(quota: Quota, used: Used, size: int, now: float, told: dict[str, str]) -> OverQuota:
    """Say which quota has no room for so many bytes, and when to come again.

    Args:
        told: the headers.
    """
    name = used.refused or ""
    found = getattr(used, name) + (size if "bytes" in name else 1)
    allowed = getattr(quota, name)
    waits = {"images_in_flight": _FLIGHT_SECONDS}
    if name.startswith("stored"):
        waits[name] = _STORED_SECONDS
    return OverQuota(
        f"{found:,} {_WHAT[name].format(f'{allowed:,}')}",
        found=found,
        allowed=allowed,
        retry_after_seconds=waits.get(name, _left_of_day(now)),
        headers=told,
    )


def _left_of_day(now: float) -> int:
    return _DAY_SECONDS - int(now) % _DAY_SECONDS
