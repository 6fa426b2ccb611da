"""What the replicas of a function use of the machine at this moment."""

from __future__ import annotations

import asyncio
import time

from local.machine import processes
from local.provider.functions.function import Function

# Ticks are hundredths of a second: long enough to tell a few percent of a processor.
_WINDOW_SECONDS = 0.5


async def measured(function: Function) -> dict[str, float]:
    """Return what OpenFaaS calls the usage: thousandths of a processor, and bytes in memory."""
    before, began = _cpu_seconds(function), time.monotonic()
    await asyncio.sleep(_WINDOW_SECONDS)
    after, seconds = _cpu_seconds(function), time.monotonic() - began
    used = sum(now - before.get(session, 0.0) for session, now in after.items())
    return {
        "cpu": round(1000 * max(0.0, used) / seconds, 1),
        "totalMemoryBytes": float(sum(processes.memory_bytes(session) for session in after)),
    }


def _cpu_seconds(function: Function) -> dict[int, float]:
    return {session: processes.cpu_seconds(session) for session in function.sessions}
