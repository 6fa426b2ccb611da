"""`python -m tests.screens`: pictures of the page in docs/screens, by day, by night, on a phone.

They show the page of a local stack that is started for them, with the demonstration model.
"""

from __future__ import annotations

import io
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from models import shapes
from tests import pictures
from tests.browser import running_browser, visit
from tests.local_stack import running_stack
from tests.stack import ROOT, Stack

FOLDER = ROOT / "docs" / "screens"
MOST_BYTES = 60_000
_WINDOWS: dict[str, dict[str, Any]] = {
    "light": {"viewport": {"width": 1200, "height": 860}},
    "dark": {"viewport": {"width": 1200, "height": 860}, "color_scheme": "dark"},
    "phone": {"viewport": {"width": 390, "height": 844}},
}
_SEED = 7
_NAMES = ("signpost", "balloon", "new-moon", "crossing", "valentine", "honeycomb", "lifebelt",
          "window")  # fmt: skip
_QUALITIES = (90, 75, 60, 45)


def main() -> int:
    with tempfile.TemporaryDirectory(prefix="screens-") as folder:
        files = _files(Path(folder))
        with running_stack(Path(folder) / "stack") as stack:
            for name, data in taken(stack, files).items():
                (FOLDER / f"{name}.webp").write_bytes(data)
                print(f"docs/screens/{name}.webp: {len(data):,} bytes")
    return 0


def taken(stack: Stack, files: list[Path]) -> dict[str, bytes]:
    """Send the files in each window, and take a picture when all have ended."""
    found = {}
    with running_browser() as browser:
        for name, window in _WINDOWS.items():
            with visit(browser, stack.url, **window, reduced_motion="reduce") as tab:
                tab.sign_in(stack.api_key)
                for file in files:  # one by one, so that each window has them in this order
                    tab.choose(file)
                    tab.ended(files.index(file) + 1)
                tab.page.mouse.move(0, 0)
                tab.page.evaluate("document.activeElement.blur(); scrollTo(0, 0)")
                found[name] = _small(tab.page.screenshot())
    return found


def _files(folder: Path) -> list[Path]:
    """Draw what the demonstration model knows, with a duplicate and two that fail."""
    rng = np.random.default_rng(_SEED)
    contents = {
        f"{name}.jpg": pictures.encode(shapes.draw(rng, label, 360, 240, 4.0), "JPEG", quality=90)
        for name, label in zip(_NAMES, shapes.LABELS, strict=False)
    }
    first, second, *others = contents.items()
    copy, broken = ("copy of balloon.jpg", second[1]), ("broken.png", pictures.damaged_inside())
    ordered = [first, second, copy, broken, *others, ("notes.txt", b"No picture.\n")]
    for name, data in ordered:
        (folder / name).write_bytes(data)
    return [folder / name for name, _ in ordered]


def _small(screenshot: bytes) -> bytes:
    """Write a screenshot as WebP, as well as the bytes allow."""
    with Image.open(io.BytesIO(screenshot)) as image:
        sizes = (pictures.encode(image, "WEBP", quality=each, method=6) for each in _QUALITIES)
        return next(data for data in sizes if len(data) <= MOST_BYTES)


if __name__ == "__main__":
    sys.exit(main())
