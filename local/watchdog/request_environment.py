"""What a process that is started for one request is told of it: variables, as in CGI."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable, Iterator

NO_NAME = re.compile(r"[^A-Za-z0-9_]")
NOT_FOR_THE_PROCESS = ("PORT", "HOST")  # the watchdog's own


def variables(
    method: str, path: str, query: str, headers: Iterable[tuple[str, str]], body_bytes: int | None
) -> Iterator[tuple[str, str]]:
    """Yield Http_Method, Http_Path, Http_Query, Http_ContentLength, and one for each header."""
    seen: dict[str, str] = {}
    for name, value in headers:
        key = "Http_" + NO_NAME.sub("_", title(name))
        seen[key] = f"{seen[key]}, {value}" if key in seen else value
    yield from seen.items()
    yield "Http_Method", method
    yield "Http_Path", path
    if query:
        yield "Http_Query", query
    if body_bytes is not None:
        yield "Http_ContentLength", str(body_bytes)


def title(name: str) -> str:
    """Write a header's name as Go does, in whichever case it came."""
    return "-".join(part[:1].upper() + part[1:].lower() for part in name.split("-"))


def marshal(headers: Iterable[tuple[str, str]], body: bytes) -> bytes:
    """Return body and headers in one JSON object, for a process that is to have both."""
    gathered: dict[str, list[str]] = {}
    for name, value in headers:
        gathered.setdefault(title(name), []).append(value)
    return json.dumps(
        {"header": gathered, "body": {"raw": base64.b64encode(body).decode()}}
    ).encode()
