"""Who else there is: a second tenant of a running stack, by its key."""

from __future__ import annotations

from pathlib import Path


def second_key(api_key_file: Path) -> str:
    """The key of another tenant than the one whose key lies in this file."""
    return api_key_file.with_name("prove-api-key").read_text(encoding="utf-8").strip()
