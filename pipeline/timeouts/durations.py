"""How a duration is written, and what a function says by one of how long a call may take."""

from __future__ import annotations

import re
from collections.abc import Mapping

# Our template's own, in seconds; then how long its process may run, and its answer may take.
EXEC = ("EXEC_TIMEOUT", "exec_timeout")
WRITE = "write_timeout"
# How long a request may take to be read: where it says nothing else, it is all that is known.
READ = "read_timeout"
UNSAID = ("", "default")

_SECONDS = re.compile(r"[0-9]{1,9}(?:\.[0-9]{0,9})?")
_PART = re.compile(r"([0-9]{1,9}(?:\.[0-9]{0,9})?|\.[0-9]{1,9})(ns|us|µs|μs|ms|s|m|h)")
_UNITS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ms": 1e-3, "s": 1, "m": 60, "h": 3600}


def in_seconds(text: str) -> float | None:
    """Read a duration as Go writes it, as 1m30s, or a number of seconds; None if it is none."""
    text = text.strip()
    if _SECONDS.fullmatch(text):
        return float(text)
    parts = [*_PART.finditer(text)]
    if not parts or "".join(part[0] for part in parts) != text:
        return None
    return sum(float(part[1]) * _UNITS[part[2]] for part in parts)


def call_seconds(environment: Mapping[str, str]) -> float | None:
    """Tell how long a function says that a call of it may take; None if it says nothing.

    Where it names a time for its process and one for its answer, the shorter ends the call. As in
    OpenFaaS' watchdogs 0 is no limit of its own.

    Raises:
        ValueError: a variable is no duration; the text names it.
    """
    found = {
        name: _read(name, environment[name])
        for name in (*EXEC, WRITE, READ)
        if environment.get(name, "") not in UNSAID
    }
    process = next((found[name] for name in EXEC if found.get(name)), 0.0)
    limits = [seconds for seconds in (process, found.get(WRITE, 0.0)) if seconds]
    return min(limits, default=0.0) or found.get(READ) or None


def _read(name: str, text: str) -> float:
    if (seconds := in_seconds(text)) is None:
        raise ValueError(
            f"{name} is {text[:80]!r}; write it as Go does, such as 90s or 1m30s, or in seconds"
        )
    return seconds
