"""Decoding in a process of its own, which is ended when it costs too much."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from pipeline.errors import InvalidImage, Unavailable
from pipeline.images.formats import Format, broken

# However short of processors the machine is: a call of the classifier ends after a minute.
DEADLINE_SECONDS = 30.0
# Without a picture, and for each pixel.
_BARE_BYTES = 256_000_000
_PIXEL_BYTES = 24
# Ended from outside, or by a fault of a decoder: tried once more before the image is blamed.
_TRIES = 2
_BANDS = 3
_OUT_OF_TIME = (-signal.SIGPROF, -signal.SIGXCPU)


@dataclass(frozen=True)
class Order:
    """What the process is told: the limits of an image, and how small it may be decoded.

    Attributes:
        max_memory_bytes: of address space.
    """

    max_bytes: int
    max_pixels: int
    min_side_pixels: int
    max_decode_seconds: float
    min_short_side: int | None
    max_memory_bytes: int


class _Died(Exception):
    """The process ended without an answer, and not because it took too much."""


def memory_bytes(max_pixels: int) -> int:
    """Tell what a picture of so many pixels may take: measured 16 bytes a pixel, and some room."""
    return _BARE_BYTES + max_pixels * _PIXEL_BYTES


def decode(data: bytes, order: Order, kind: Format) -> Image.Image:
    """Decode an image of this kind as RGB, within the limits.

    Raises:
        InvalidImage: the file is damaged or costs too much.
        Unavailable: the machine had too little of a processor left for it.
    """
    for left in reversed(range(_TRIES)):
        try:
            return _decode(data, order, kind)
        except _Died as error:
            if not left:
                raise broken(kind, f"its decoder died {_TRIES} times: {error}") from error
    raise AssertionError("the last try returns or raises")


def takes_more(kind: Format, allowed: str) -> InvalidImage:
    """Say what decoding takes too much of."""
    return InvalidImage(
        f"decoding the {kind.name} file takes more than {allowed}",
        code="too-costly",
        found=f"more than {allowed}",
        allowed=allowed,
    )


def _decode(data: bytes, order: Order, kind: Format) -> Image.Image:
    process = subprocess.Popen(
        [sys.executable, "-m", "pipeline.images.decoder", json.dumps(asdict(order))],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": _search_path()},
    )
    late = threading.Event()
    deadline = threading.Timer(DEADLINE_SECONDS, _end, (process, late))
    deadline.start()
    try:
        with process:  # leaving it closes the pipes, which ends the process, and waits for it
            answer = _converse(process, data)
    finally:
        deadline.cancel()
    if isinstance(answer, Image.Image):
        return answer
    if answer:
        raise InvalidImage(**answer)
    if late.is_set():
        raise Unavailable(
            f"too busy: {DEADLINE_SECONDS:g} s were not enough to decode a costly image",
            code="busy",
        )
    if process.returncode in _OUT_OF_TIME:
        raise takes_more(kind, f"{order.max_decode_seconds:g} s of one core")
    raise _Died(f"status {process.returncode}")


def _end(process: subprocess.Popen[bytes], late: threading.Event) -> None:
    late.set()
    process.kill()


def _converse(process: subprocess.Popen[bytes], data: bytes) -> Image.Image | dict[str, Any]:
    """Hand the file over and read the answer: the picture, or what is wrong; empty: nothing."""
    assert process.stdin
    assert process.stdout
    # A process that died does not read to the end; its status says more.
    with contextlib.suppress(BrokenPipeError), process.stdin as pipe:
        pipe.write(data)
    line = process.stdout.readline()
    if not line.endswith(b"\n"):
        return {}
    answer: dict[str, Any] = json.loads(line)
    if "size" not in answer:
        return answer
    width, height = answer["size"]
    pixels = process.stdout.read(width * height * _BANDS)
    if len(pixels) < width * height * _BANDS:
        return {}
    return Image.frombytes("RGB", (width, height), pixels)


def _search_path() -> str:
    """Put this package first: a function may have been started from anywhere."""
    paths = [str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", "")]
    return os.pathsep.join(path for path in paths if path)
