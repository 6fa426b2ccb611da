"""Times as an operator types them: a date, how long ago or from now, how long."""

from __future__ import annotations

import math
import re
import time
from datetime import UTC, datetime

import click

_LENGTH = re.compile(r"(\d{1,9})([smhd])")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


class Moment(click.ParamType[float]):
    """Seconds since 1970."""

    name = "time"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Read `2026-01-02`, `2026-01-02T03:04:05Z` (UTC when it names no zone), or `90m`."""
        text = str(value)
        if (ago := _seconds(text)) is not None:
            return time.time() - ago
        try:
            return _timestamp(text)
        except ValueError:
            self.fail(f"{text!r} is no time; allowed: 2026-01-02T03:04:05Z, or 90m, 2h, 7d ago")


class Expiry(click.ParamType[float]):
    """Seconds since 1970 that are still to come, or infinity for never."""

    name = "time"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Read `2026-01-02`, `2026-01-02T03:04:05Z` (UTC when it names no zone), `90d`, `never`."""
        text, now = str(value), time.time()
        if text == "never":
            return math.inf
        try:
            ahead = _seconds(text)
            moment = _timestamp(text) if ahead is None else now + ahead
            datetime.fromtimestamp(moment, UTC)  # it can be shown
            if moment > now:
                return moment
        except (ValueError, OverflowError, OSError):
            pass
        self.fail(
            f"{text!r} is no time to come; allowed: a date after today, 2026-01-02T03:04:05Z,"
            " 90m, 12h, 30d from now, or never"
        )


class Length(click.ParamType[int]):
    """Seconds."""

    name = "length"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> int:
        """Read `90s`, `90m`, `12h` or `30d`; a number alone is seconds."""
        text = str(value)
        seconds = _seconds(text if not text.isdecimal() else f"{text}s")
        if seconds is None:
            self.fail(f"{text!r} is no length of time; allowed: 90s, 90m, 12h, 30d")
        return seconds


def _seconds(text: str) -> int | None:
    length = _LENGTH.fullmatch(text)
    return int(length.group(1)) * _SECONDS[length.group(2)] if length else None


def _timestamp(text: str) -> float:
    moment = datetime.fromisoformat(text)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


MOMENT = Moment()
EXPIRY = Expiry()
LENGTH = Length()
