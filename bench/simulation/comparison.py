"""What of the model is compared with measurements, and what those were used for."""

from __future__ import annotations

# Within so much of what was measured the model is close.
CLOSE = 0.1

# The values that were chosen so that figures come out: the CPU of whoever makes the load, the time
# that MinIO takes to have an object on its drive, the classifier's CPU on 16 cores.
CALIBRATED = frozenset({"P2 uploads float32", "P6 accepted", "P17 1"})

# What is known of figures that are not close.
_FAR = {
    "P13 capacity": "explained in part: images that are drained while others are uploaded cost 7 to"
    " 21 % more CPU than one after the other, as calls are smaller (bench/NOTEBOOK.md); and these"
    " are the first seconds of a stack. Steady loads, below, are close",
    "P17 2": "measured once; in the other run two replicas did 145.8",
    "P17 12, short": "decided by how many calls the consumer believes in when the seven seconds"
    " begin, which the arm before left behind: a little more or less there, and it is 550 or 800",
}


def is_close(measured: float, said: float) -> bool:
    """Tell whether the model says nearly what was measured."""
    return abs(said / measured - 1) <= CLOSE


def why_far(name: str) -> str:
    """Say why a figure is not close; empty where it is meant to be."""
    return _FAR.get(name, "")
