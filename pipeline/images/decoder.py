"""The process that decodes one costly image: a file on standard input, RGB on standard output.

It limits itself before it reads a byte; whatever exceeds a limit ends it.
"""

from __future__ import annotations

import json
import math
import os
import resource
import signal
import sys
from typing import Any

from PIL import Image

from pipeline.errors import InvalidImage
from pipeline.images import decoding
from pipeline.images.decoder_process import Order, takes_more

# The replica that asked has other images to look at meanwhile.
_NICE = 5
_ROWS = 256


def main() -> None:
    """Answer with a line of JSON: the picture's size, its pixels following, or what is wrong."""
    order = Order(**json.loads(sys.argv[1]))
    _limit(order)
    data = sys.stdin.buffer.read()
    try:
        image = _decode(data, order)
    except InvalidImage as error:
        _tell(message=str(error), code=error.code, found=error.found, allowed=error.allowed)
        return
    _tell(size=image.size)
    for top in range(0, image.height, _ROWS):
        bottom = min(top + _ROWS, image.height)
        sys.stdout.buffer.write(image.crop((0, top, image.width, bottom)).tobytes())
    sys.stdout.buffer.flush()


def _limit(order: Order) -> None:
    os.nice(_NICE)
    # RLIMIT_CPU counts whole seconds: it ends what the timer did not.
    signal.setitimer(signal.ITIMER_PROF, order.max_decode_seconds)
    for kind, most in (
        (resource.RLIMIT_CPU, math.ceil(order.max_decode_seconds) + 1),
        (resource.RLIMIT_AS, order.max_memory_bytes),
        (resource.RLIMIT_CORE, 0),
    ):
        _, hard = resource.getrlimit(kind)
        allowed = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(kind, (allowed, allowed))


def _decode(data: bytes, order: Order) -> Image.Image:
    limits = decoding.Limits(
        order.max_bytes, order.max_pixels, order.min_side_pixels, order.max_decode_seconds
    )
    info = decoding.inspect(data, limits)
    try:
        image = decoding.decode_here(data, limits, order.min_short_side, info)
        # Here, where nobody waits: 120 MB of pixels hold the replica up for half a second.
        return decoding.reduced(image, order.min_short_side) if order.min_short_side else image
    except MemoryError as error:
        megabytes = order.max_memory_bytes / 1e6
        raise takes_more(info.format, f"{megabytes:,.0f} MB of memory") from error


def _tell(**answer: Any) -> None:
    sys.stdout.buffer.write(json.dumps(answer).encode() + b"\n")


if __name__ == "__main__":
    main()
