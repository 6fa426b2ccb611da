"""How often a key may ask: requests a second, minute or hour, and how many of them at once."""

from __future__ import annotations

import re
from collections.abc import Mapping

# Said of a key that may ask as often as it likes, whatever others may.
NONE = "none"
# A byte is kept for each request of the last two hours.
MOST_A_SECOND = 10_000

_RATE = re.compile(r"([1-9][0-9]{0,7})/([smh])")
_SECONDS = {"s": 1, "m": 60, "h": 3600}
# `gateway/rates.js` counts by the hour: whoever waits that long may do as if never seen.
_FILLED_WITHIN_SECONDS = 3600


def checked(rate: str, burst: int | None) -> tuple[str, int]:
    """Check what may be asked, and fill in the burst: a second's worth if none is given.

    Raises:
        ValueError: saying what was found, and what is allowed.
    """
    found = _RATE.fullmatch(rate)
    if not found or int(found[1]) > MOST_A_SECOND * _SECONDS[found[2]]:
        raise ValueError(
            f"the rate is {rate[:100]!r}; allowed: 50/s, 600/m or 1000/h, at most"
            f" {MOST_A_SECOND}/s, or {NONE}"
        )
    requests, seconds = int(found[1]), _SECONDS[found[2]]
    most = max(1, requests * _FILLED_WITHIN_SECONDS // seconds)
    wanted = max(1, requests // seconds) if burst is None else burst
    if not 1 <= wanted <= most:
        raise ValueError(
            f"the burst is {wanted}; allowed: 1 to {most}, what comes within an hour at {rate}"
        )
    return rate, wanted


def usual(environment: Mapping[str, str]) -> str:
    """Say what a key may that has no rate of its own, as `gateway/rates.js` reads it.

    Raises:
        ValueError: naming the variable that is wrong.
    """
    rate, burst = environment.get("KEY_RATE") or NONE, environment.get("KEY_BURST") or ""
    if burst and not (burst.isascii() and burst.isdecimal()):
        raise ValueError(f"KEY_BURST={burst!r}: expected a whole number from 1")
    if rate == NONE:
        return f"{NONE} 0"
    try:
        told, at_once = checked(rate, int(burst) if burst else None)
    except ValueError as error:
        raise ValueError(f"KEY_RATE={rate!r}, KEY_BURST={burst!r}: {error}") from error
    return f"{told} {at_once}"
