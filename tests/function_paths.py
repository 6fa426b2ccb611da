"""Puts the folders of functions and of the consumer on Python's path, as pytest's settings do."""

from __future__ import annotations

import sys
from pathlib import Path

_ROOT = Path(__file__).parents[1]
_FOLDERS = (
    "functions/image-upload",
    "functions/image-classifier",
    "functions/image-results",
    "consumers/image-process-consumer",
    "consumers/classifier-autoscaler",
)


def add() -> None:
    """Let a program that pytest does not run import them, once or again."""
    for folder in _FOLDERS:
        if str(_ROOT / folder) not in sys.path:
            sys.path.append(str(_ROOT / folder))
