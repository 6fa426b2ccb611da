"""A point in time as an operator types it: a date, or how long ago."""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime

import click

_AGO = re.compile(r"(\d+)([smhd])")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


class Moment(click.ParamType[float]):
    """Seconds since 1970."""

    name = "time"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Read `2026-01-02`, `2026-01-02T03:04:05Z` (UTC when it names no zone), or `90m`."""
        text = str(value)
        if ago := _AGO.fullmatch(text):
            return time.time() - int(ago.group(1)) * _SECONDS[ago.group(2)]
        try:
            moment = datetime.fromisoformat(text)
        except ValueError:
            self.fail(f"{text!r} is no time; allowed: 2026-01-02T03:04:05Z, or 90m, 2h, 7d ago")
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


MOMENT = Moment()
