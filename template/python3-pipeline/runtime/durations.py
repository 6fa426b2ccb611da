"""Durations as OpenFaaS' templates are given them: as Go writes them, or in seconds."""

from __future__ import annotations

import re

_SECONDS = re.compile(r"[0-9]{1,9}(?:\.[0-9]{0,9})?")
_PART = re.compile(r"([0-9]{1,9}(?:\.[0-9]{0,9})?|\.[0-9]{1,9})(ns|us|µs|μs|ms|s|m|h)")
_UNITS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ms": 1e-3, "s": 1, "m": 60, "h": 3600}


def in_seconds(text: str) -> float:
    """Read 1m30s or 90; raise ValueError where it is neither."""
    parts = [*_PART.finditer(text)]
    if parts and "".join(part[0] for part in parts) == text:
        return sum(float(part[1]) * _UNITS[part[2]] for part in parts)
    if not _SECONDS.fullmatch(text):
        raise ValueError(f"{text!r} is no duration")
    return float(text)
