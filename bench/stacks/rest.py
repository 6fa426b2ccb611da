"""What the stack costs when nothing is asked of it: memory, and CPU as a share of one core."""

from __future__ import annotations

import time
from typing import Any

from bench.progress import Progress, say
from bench.stacks.processes import memory, spending
from bench.stacks.stack import BenchStack

_STEP_SECONDS = 1.0


def at_rest(stack: BenchStack, seconds: float) -> dict[str, Any]:
    """Leave the stack alone for a while; tell what it used meanwhile, and its memory after it."""
    say(f"Leaving the stack alone for {seconds:g} s.")
    progress, started = Progress(), time.monotonic()
    with spending(stack.run_dir) as spent:
        while (passed := time.monotonic() - started) < seconds:
            progress.tell(f"{passed:.0f} of {seconds:g} s")
            time.sleep(min(_STEP_SECONDS, seconds - passed))
    passed = time.monotonic() - started
    shares = {name: used / passed * 100 for name, used in spent.cpu_seconds.items()}
    return {
        "seconds": round(passed, 1),
        "cpuPercent": {name: round(share, 2) for name, share in shares.items()},
        "cpuPercentTotal": round(sum(shares.values()), 2),
        "memoryMegabytes": memory(stack.run_dir),
    }
