"""How a function's requests.cpu is kept: as its share of the processors when they are short."""

from __future__ import annotations

import math
import re

from local.provider.refusal import Refused

QUANTITY = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,9})?)(m?)")  # as Kubernetes writes it
STEP = 1.25  # by how much one nice value changes a process' weight
LEAST = 19
# A session is a scheduling group of its own where the kernel has autogroups, and then only the
# group's value counts. Two changes within 100 ms are refused to all but root.
GIVE_WAY = (
    "if [ -w /proc/self/autogroup ]; then for _ in 1 2 3 4 5 6 7 8 9 10; do"
    ' { echo "$0" > /proc/self/autogroup; } 2> /dev/null && break; sleep 0.1; done; fi;'
    ' exec nice -n "$0" "$@"'
)


def nice_value(quantity: str) -> int:
    """Read requests.cpu: one core is the weight of any process; raise Refused where it is none."""
    match = QUANTITY.fullmatch(quantity)
    cores = float(match[1]) / (1000 if match[2] else 1) if match else 0.0
    if not cores:
        raise Refused(
            400, f"requests.cpu {quantity[:40]!r} is not possible; write it as 250m or 0.25"
        )
    return min(LEAST, max(0, round(-math.log(cores, STEP))))


def prefix(value: int) -> list[str]:
    """Return what goes before the command line of a replica with this nice value."""
    return ["sh", "-c", GIVE_WAY, str(value)]
