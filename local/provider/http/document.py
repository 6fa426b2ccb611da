"""The JSON of a request to /system: read within limits, or refused by what is wrong with it."""

from __future__ import annotations

import json
from typing import Any, NoReturn

from local.provider.refusal import Refused

MAX_DEPTH = 32
CHARSETS = ("utf-8", "utf8", "us-ascii")


def parse(body: bytes, charset: str | None) -> dict[str, Any]:
    """Return the object that a body is; raise Refused naming why it is none."""
    if charset and charset.lower() not in CHARSETS:
        raise Refused(400, f"the charset is {charset[:40]!r}; JSON is UTF-8")
    try:
        document = json.loads(body.decode(), parse_constant=refuse_constant)
    except RecursionError as error:
        raise Refused(400, f"the body is nested deeper than {MAX_DEPTH} levels") from error
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise Refused(400, f"the body is not JSON: {error}") from error
    except ValueError as error:  # of a number with more digits than Python reads
        raise Refused(400, "the body has a number that is too large") from error
    check(document)
    if not isinstance(document, dict):
        raise Refused(400, "the body must be a JSON object")
    return document


def check(document: Any) -> None:
    """Refuse what is nested too deep, and texts that no file, process or answer can hold."""
    level, depth = [document], 0
    while level:
        if depth > MAX_DEPTH:
            raise Refused(400, f"the body is nested deeper than {MAX_DEPTH} levels")
        below: list[Any] = []
        for value in level:
            if isinstance(value, str):
                check_text(value)
            elif isinstance(value, float) and value in (float("inf"), float("-inf")):
                raise Refused(400, "the body has a number that is too large")
            elif isinstance(value, list):
                below += value
            elif isinstance(value, dict):
                below += [*value.keys(), *value.values()]
        level, depth = below, depth + 1


def check_text(text: str) -> None:
    if "\0" in text:
        raise Refused(400, "the body has a text with the character U+0000, which is not allowed")
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError as error:
            found = f"U+{ord(text[error.start]):04X}"
            raise Refused(400, f"the body has a text with half a character: {found}") from error


def refuse_constant(name: str) -> NoReturn:
    raise Refused(400, f"the body is not JSON: {name} is no number")
