"""Pictures changed at random, to find what decoding does not expect.

`python -m tests.security.decode_fuzz 100000 7` tries so many, from this seed.
"""

from __future__ import annotations

import random
import struct
import sys
import zlib
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from PIL import Image

from pipeline.images import decoding
from tests import pictures
from tests.security import cost

_NUMBERS = (0, 1, 2, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)
_MOST_CHANGES = 4
# Small enough that what claims to be large is refused rather than decoded, and fuzzing is quick.
LIMITS = decoding.Limits(1_000_000, 400_000, 16)


@dataclass
class Findings:
    """What became of all of them.

    Attributes:
        wrong: those that ended otherwise than decoded or invalid, or cost too much: seed and why.
    """

    outcomes: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    most_seconds: float = 0.0


def fuzz(count: int, seed: int) -> Findings:
    """Change pictures and decode them; each is made anew from its number."""
    corpus, findings = _corpus(), Findings()
    for number in range(count):
        chance = random.Random(f"{seed} {number}")
        data = mutated(chance.choice(corpus), corpus, chance)
        try:
            spent = cost.measure(data, LIMITS)
        except Exception as error:  # the very thing that is sought
            findings.wrong.append(f"{seed} {number}: {error!r}")
            continue
        findings.outcomes[spent.outcome] += 1
        findings.most_seconds = max(findings.most_seconds, spent.seconds)
        if spent.seconds > cost.MAX_SECONDS:
            findings.wrong.append(f"{seed} {number}: {spent}")
    return findings


def mutated(data: bytes, corpus: Sequence[bytes], chance: random.Random) -> bytes:
    """Change a picture in some places; most have their lengths and checksums made right again."""
    body = bytearray(data)
    for _ in range(chance.randint(1, _MOST_CHANGES)):
        chance.choice(_CHANGES)(body, corpus, chance)
    if chance.random() < 0.9:
        _mend(body)
    return bytes(body)


def _flip(body: bytearray, corpus: Sequence[bytes], chance: random.Random) -> None:
    if body:
        body[_place(body, chance)] ^= 1 << chance.randrange(8)


def _set(body: bytearray, corpus: Sequence[bytes], chance: random.Random) -> None:
    if body:
        body[_place(body, chance)] = chance.randrange(256)


def _number(body: bytearray, corpus: Sequence[bytes], chance: random.Random) -> None:
    width, order = chance.choice((2, 4)), chance.choice("<>")
    value = chance.choice(_NUMBERS) & (1 << 8 * width) - 1
    start = _place(body, chance) if body else 0
    body[start : start + width] = struct.pack(f"{order}{'H' if width == 2 else 'I'}", value)


def _remove(body: bytearray, corpus: Sequence[bytes], chance: random.Random) -> None:
    start = _place(body, chance) if body else 0
    del body[start : start + chance.choice((1, 2, 4, 64, 1000))]


def _repeat(body: bytearray, corpus: Sequence[bytes], chance: random.Random) -> None:
    start = _place(body, chance) if body else 0
    part = body[start : start + chance.choice((1, 2, 12, 200))]
    body[start:start] = part * chance.choice((1, 2, 50))


def _splice(body: bytearray, corpus: Sequence[bytes], chance: random.Random) -> None:
    other = chance.choice(corpus)
    start = chance.randrange(len(other))
    body[_place(body, chance) if body else 0 :] = other[start:]


def _cut(body: bytearray, corpus: Sequence[bytes], chance: random.Random) -> None:
    # Closed again: what has no end does not come past the door.
    end = body[-12:]
    del body[_place(body, chance) if body else 0 :]
    body += end


def _place(body: bytearray, chance: random.Random) -> int:
    """Choose where; half of the time near the start, where headers are."""
    return chance.randrange(min(len(body), 200) if chance.random() < 0.5 else len(body))


_CHANGES: tuple[Callable[[bytearray, Sequence[bytes], random.Random], None], ...] = (
    _flip, _set, _number, _remove, _repeat, _splice, _cut,
)  # fmt: skip


def _mend(body: bytearray) -> None:
    """Make right what the door looks at first, so that most come further."""
    if body.startswith(b"RIFF"):
        body[4:8] = struct.pack("<I", max(len(body), 8) - 8)
    elif body.startswith(b"BM"):
        body[2:6] = bytes(4)
    elif body.startswith(b"GIF"):
        body += b";"
    elif body.startswith(b"\xff\xd8"):
        body += b"\xff\xd9"
    elif body.startswith(b"\x89PNG"):
        _mend_checksums(body)


def _mend_checksums(body: bytearray) -> None:
    position = 8
    while position + 12 <= len(body):
        (length,) = struct.unpack_from(">I", body, position)
        end = position + 8 + length
        if end + 4 > len(body):
            return
        struct.pack_into(">I", body, end, zlib.crc32(body[position + 4 : end]))
        position = end + 4


def _corpus() -> list[bytes]:
    """Small pictures of every kind, with what files carry beside pixels."""
    image, exif = pictures.gradient(40, 32), Image.Exif()
    exif[0x0112], exif[0x010F], exif[0x8769] = 6, "maker", {0x9003: "2026:01:01 00:00:00"}
    extra = {"exif": exif, "icc_profile": b"profile" * 20}
    palette, grey = image.quantize(16), image.convert("L")
    frames = {"save_all": True, "append_images": [image.rotate(90).resize(image.size)] * 2}
    xmp = {"xmp": b'<x tiff:Orientation="3"/>'}
    return [
        pictures.encode(image, "JPEG"),
        pictures.encode(image, "JPEG", progressive=True, **extra, **xmp),
        pictures.encode(image.convert("CMYK"), "JPEG", comment=b"a comment"),
        pictures.encode(grey, "JPEG", restart_marker_blocks=1, dpi=(72, 72)),
        pictures.encode(image, "MPO", **frames),
        pictures.encode(image, "PNG", **extra),
        pictures.encode(image, "PNG", **frames),
        pictures.encode(palette, "PNG", transparency=3),
        pictures.encode(grey.convert("I;16"), "PNG"),
        pictures.encode(image.convert("1"), "PNG"),
        pictures.encode(palette, "GIF", comment=b"a comment" * 40, transparency=0),
        pictures.encode(image, "GIF", **frames),
        pictures.encode(image, "BMP"),
        pictures.encode(palette, "BMP"),
        pictures.encode(image, "WEBP", **extra, **xmp),
        pictures.encode(image.convert("RGBA"), "WEBP", lossless=True),
        pictures.encode(image, "WEBP", **frames),
    ]


def main() -> None:
    """Fuzz as the command line says; end with status 1 when something was found."""
    findings = fuzz(int(sys.argv[1]), int(sys.argv[2]))
    print(dict(findings.outcomes.most_common()), f"most {findings.most_seconds:.2f} s")
    print(*findings.wrong, sep="\n")
    sys.exit(bool(findings.wrong))


if __name__ == "__main__":
    main()
