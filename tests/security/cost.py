"""What one picture costs: at the door, and where it is decoded."""

from __future__ import annotations

import resource
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

from pipeline.errors import InvalidImage
from pipeline.images import decoder_process, decoding
from pipeline.settings import Settings
from preprocessing import preprocess
from processed_picture import picture_jpeg
from tests.samples import MANIFEST

LIMITS = decoding.Limits.from_settings(Settings())
# The budget, and what it takes to start a process and to hand 40 megapixels over: a fourth of this
# on idle cores, which `make security` judges.
MAX_SECONDS = LIMITS.max_decode_seconds + 1.0
# A file of 20 MB is gone through at the door, checksums and all.
MAX_DOOR_SECONDS = 0.25
# 40 megapixels by four bytes, twice, and the file.
MAX_BYTES_HERE = 400_000_000
MAX_BYTES_APART = 1_000_000_000
_PATIENCE_SECONDS = 600.0


@dataclass(frozen=True)
class Cost:
    """Seconds of CPU and bytes of memory, and what became of the picture.

    Attributes:
        outcome: `decoded`, or the error's code.
        door_seconds: until it was refused, or let in.
        seconds: of all processes together, the door included.
        bytes_here: by how much this process grew meanwhile.
        bytes_apart: the most that a process beside it ever had, whatever the picture.
    """

    outcome: str
    door_seconds: float
    seconds: float
    bytes_here: int
    bytes_apart: int


def measure(data: bytes, limits: decoding.Limits = LIMITS) -> Cost:
    """Decode a picture, prepare it and encode what the model sees, as the classifier would.

    Raises:
        Exception: what must not happen: anything else than that it is an invalid image.
    """
    Path("/proc/self/clear_refs").write_text("5")  # forgets the highest memory so far
    before, began = _kilobytes("VmRSS"), _cpu_seconds()
    door = began
    try:
        info = decoding.inspect(data, limits)
        door = _cpu_seconds()
        # A machine that has other work is waited for: what is judged is CPU.
        with patch.object(decoder_process, "DEADLINE_SECONDS", _PATIENCE_SECONDS):
            image = decoding.decode(data, limits, None, info)
            picture_jpeg(preprocess(image, MANIFEST).picture)
        outcome = "decoded"
    except InvalidImage as error:
        outcome = error.code
        door = door if door > began else _cpu_seconds()
    return Cost(
        outcome,
        door - began,
        _cpu_seconds() - began,
        (_kilobytes("VmHWM") - before) * 1024,
        resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024,
    )


def _cpu_seconds() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


def _kilobytes(field: str) -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1])
    raise AssertionError(f"the kernel tells no {field}")
