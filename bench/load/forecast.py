"""What the autoscaler says of a backlog's end, beside when the backlog really ended."""

from __future__ import annotations

import re
import time
import urllib.request
from functools import partial

from bench.checks import BenchFailed
from bench.load.drain import Drain
from bench.stacks.beside import looking_on
from bench.stacks.stack import BenchStack

_LOOK_SECONDS = 1.0
# Until then the arrivals and the standstill before are a part of what is seen.
_SETTLED_SECONDS = 5.0
# The last seconds say little: a second of the loop is a large part of them.
_SHORTEST_SECONDS = 5.0
_CLEAR = re.compile(r"^image_backlog_clear_seconds (\S+)$", re.MULTILINE)


def forecasts(stack: BenchStack, drain: Drain, images: int) -> list[float]:
    """Drain a backlog with the replicas that are allowed.

    Returns:
        Of each second the time forecast ÷ the time it took; the first seconds, of which the uploads
        are still a part, and the last ones left out.
    """
    looks: list[tuple[float, float]] = []
    look = partial(_look, stack, looks)
    drained = drain.backlog(images, beside=lambda _: looking_on(look, _LOOK_SECONDS))
    ended = max(drained.instants)
    settled = drained.started + _SETTLED_SECONDS
    found = [
        said / (ended - at) for at, said in looks if settled <= at <= ended - _SHORTEST_SECONDS
    ]
    if not found:
        raise BenchFailed(f"nothing was said of the end of a backlog of {images} images")
    return found


def _look(stack: BenchStack, looks: list[tuple[float, float]]) -> None:
    said, at = _metrics(stack), time.monotonic()
    if clear := _CLEAR.search(said):
        looks.append((at, float(clear[1])))


def _metrics(stack: BenchStack) -> str:
    url = f"http://127.0.0.1:{stack.ports['AUTOSCALER']}/metrics"
    with urllib.request.urlopen(url, timeout=10) as answer:
        text: bytes = answer.read()
    return text.decode()
