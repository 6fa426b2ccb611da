"""The pages that tell how the system is used, and the commands that users type from them."""

from __future__ import annotations

import re
from pathlib import Path

from tests.stack import ROOT

README = ROOT / "README.md"
# In the order in which their commands are typed: README's start the stack that all others use.
PAGES = (
    README,
    ROOT / "docs" / "faas-cli.md",
    ROOT / "docs" / "models.md",
    ROOT / "docs" / "operation.md",
    ROOT / "docs" / "containers.md",
    ROOT / "docs" / "keys.md",
    ROOT / "docs" / "settings.md",
)
# Blocks of `sh` are typed on a local stack, those of `bash` on containers.
LOCAL, CONTAINERS = "sh", "bash"
_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)


def blocks(page: Path) -> list[tuple[str, str]]:
    """The language and the text of each block of a page."""
    return _FENCE.findall(page.read_text(encoding="utf-8"))


def indented(page: Path, beginning: str) -> list[str]:
    """The lines of a page's indented blocks that begin so."""
    text = page.read_text(encoding="utf-8")
    return re.findall(rf"^    ({re.escape(beginning)}.*)$", text, re.MULTILINE)


def commands(language: str, last: str) -> list[str]:
    """The lines of all blocks of a language, in order.

    Args:
        last: the command that takes the stack down, wherever the pages tell of it.
    """
    texts = [text for page in PAGES for kind, text in blocks(page) if kind == language]
    lines = [line for text in texts for line in text.splitlines() if line]
    return [line for line in lines if line != last] + [last]
