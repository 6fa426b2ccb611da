"""What others say in JSON is read as fields, and whatever is none has none."""

from __future__ import annotations

from typing import Any

import pytest

from imagectl.fields import fields_of


@pytest.mark.parametrize(
    ("document", "fields"),
    [
        (b'{"a": 1}', {"a": 1}),
        ('{"a": {"b": []}}', {"a": {"b": []}}),
        (b"[1]", {}),
        (b"null", {}),
        (b"<html>", {}),
        (b"", {}),
        (b"\xff", {}),
    ],
)
def test_an_object_is_read_and_anything_else_is_empty(
    document: bytes | str, fields: dict[str, Any]
) -> None:
    assert fields_of(document) == fields
