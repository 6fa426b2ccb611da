"""What a function's environment says about how it is served."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

# As pipeline/limits.py has them, which a function of others' does not; a test compares.
MAX_BODY_BYTES = 21_000_000
EXEC_TIMEOUT_SECONDS = 60
_SECONDS = re.compile(r"[0-9]{1,9}(?:\.[0-9]{0,9})?")
_PART = re.compile(r"([0-9]{1,9}(?:\.[0-9]{0,9})?|\.[0-9]{1,9})(ns|us|µs|μs|ms|s|m|h)")
_UNITS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ms": 1e-3, "s": 1, "m": 60, "h": 3600}


@dataclass(frozen=True)
class Settings:
    """How one replica serves.

    max_inflight: handler calls at a time; beyond it the answer is 429.
    max_held_bytes: bodies in memory at a time; beyond it the answer is 429, too.
    receive_seconds: a request that has not come whole after this long, and 10,000 bytes of its body
        for each second more, is answered 408.
    exec_timeout_seconds: a handler call that takes longer is answered 504.
    grace_seconds: how long new requests are still taken after SIGTERM.
    """

    host: str
    port: int
    max_inflight: int
    max_body_bytes: int
    max_held_bytes: int
    receive_seconds: float
    exec_timeout_seconds: float
    grace_seconds: float

    @classmethod
    def from_env(cls, env: Mapping[str, str], body_bytes: int = MAX_BODY_BYTES) -> Settings:
        """Read the settings; raise ValueError with everything that is wrong with them.

        Args:
            body_bytes: the largest body where MAX_BODY_BYTES is not set.
        """
        wrong: list[str] = []

        def number(name: str, default: float, least: float) -> float:
            text = env.get(name, "")
            if text in ("", "default"):
                text = str(default)
            try:
                value = in_seconds(text) if "timeout" in name.lower() else float(text)
            except ValueError:
                value = float("nan")
            if not value >= least:
                what = "a duration such as 90s or 90" if "timeout" in name.lower() else "a number"
                wrong.append(f"{name} is {text!r}; it must be {what} from {least:g}")
                return default
            return value

        def call_seconds() -> float:
            """As the provider reads them: 0 is no limit of its own; the shorter one ends a call."""
            given = (number(name, 0, 0) for name in ("EXEC_TIMEOUT", "exec_timeout"))
            process = next((seconds for seconds in [*given] if seconds), 0)
            written, taken = number("write_timeout", 0, 0), number("read_timeout", 0, 0)
            found = [seconds for seconds in (process, written) if seconds] or [taken]
            return min(found) or EXEC_TIMEOUT_SECONDS

        max_body_bytes = int(number("MAX_BODY_BYTES", body_bytes, 1))
        held_bytes = max(256 * 1024 * 1024, max_body_bytes)
        settings = cls(
            host=env.get("HOST") or "0.0.0.0",
            port=int(number("PORT", 8080, 0)),
            max_inflight=int(number("MAX_INFLIGHT", 16, 1)),
            max_body_bytes=max_body_bytes,
            max_held_bytes=int(number("MAX_HELD_BYTES", held_bytes, max_body_bytes)),
            receive_seconds=number("RECEIVE_TIMEOUT", 10, 0.001),
            exec_timeout_seconds=call_seconds(),
            grace_seconds=number("SHUTDOWN_GRACE_SECONDS", 5, 0),
        )
        if wrong:
            raise ValueError("; ".join(wrong))
        return settings


def in_seconds(text: str) -> float:
    """Read a duration as Go writes it, as 1m30s, or seconds; raise ValueError if it is neither."""
    parts = [*_PART.finditer(text)]
    if parts and "".join(part[0] for part in parts) == text:
        return sum(float(part[1]) * _UNITS[part[2]] for part in parts)
    if not _SECONDS.fullmatch(text):
        raise ValueError(f"{text!r} is no duration")
    return float(text)
