"""How a function's requests.cpu is kept: as its share of the processors when they are short."""

from __future__ import annotations

import contextlib
import math
import os
import re
from pathlib import Path

from local.provider.refusal import Refused

QUANTITY = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,9})?)(m?)")  # as Kubernetes writes it
STEP = 1.25  # by how much one nice value changes a process' weight
# All functions wait for the same services, which are served first: else each step of a single image
# waits for one of a backlog.
FUNCTION = 5
LEAST = 19
# A session is a scheduling group of its own where the kernel has autogroups, and then only the
# group's value counts. Two changes within 100 ms are refused to all but root.
GIVE_WAY = (
    "if [ -w /proc/self/autogroup ]; then for _ in 1 2 3 4 5 6 7 8 9 10; do"
    ' { echo "$0" > /proc/self/autogroup; } 2> /dev/null && break; sleep 0.1; done; fi;'
    ' exec nice -n "$0" "$@"'
)


def cores(quantity: str) -> float:
    """Read requests.cpu; raise Refused where it is none."""
    match = QUANTITY.fullmatch(quantity)
    found = float(match[1]) / (1000 if match[2] else 1) if match else 0.0
    if not found:
        raise Refused(
            400, f"requests.cpu {quantity[:40]!r} is not possible; write it as 250m or 0.25"
        )
    return found


def nice_value(requested_cores: float) -> int:
    """Tell how far a replica stands back: one that asks for a core or more weighs most."""
    return min(LEAST, FUNCTION + max(0, round(-math.log(requested_cores, STEP))))


def prefix(value: int) -> list[str]:
    """Return what goes before the command line of a replica with this nice value."""
    return ["sh", "-c", GIVE_WAY, str(value)]


def change(pid: int, value: int) -> bool:
    """Give a running replica another nice value as far as this user may, its group and threads.

    Returns:
        Whether it is worth no second try: the kernel takes few changes of groups at a time.
    """
    try:
        Path(f"/proc/{pid}/autogroup").write_text(str(value), encoding="ascii")
    except BlockingIOError:
        return False
    except OSError:  # there are no groups, or it has ended
        pass
    with contextlib.suppress(OSError):
        for thread in os.listdir(f"/proc/{pid}/task"):
            os.setpriority(os.PRIO_PROCESS, int(thread), value)
    return True
