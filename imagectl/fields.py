"""What a JSON document of somebody else says: its fields, or none."""

from __future__ import annotations

import json
from typing import Any


def fields_of(document: bytes | str) -> dict[str, Any]:
    """Read an object; empty where it is none."""
    try:
        found = json.loads(document)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
