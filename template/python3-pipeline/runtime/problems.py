"""What an error of the server looks like: application/problem+json, worded as by our functions."""

from __future__ import annotations

import json
import re
from http import HTTPStatus

CONTENT_TYPE = "application/problem+json"

# Of a status with several reasons, the one that the server itself has for it.
CODES = {
    400: "bad-request",
    404: "not-found",
    405: "method-not-allowed",
    408: "request-too-slow",
    413: "body-too-large",
    429: "too-many-requests",
    431: "headers-too-large",
    500: "internal",
    501: "not-implemented",
    503: "unavailable",
    504: "function-too-slow",
    505: "http-version-not-supported",
}
_TRACEPARENT = re.compile(r"00-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")


def document(
    status: int,
    detail: str,
    trace_id: str | None = None,
    found: object = None,
    allowed: object = None,
    code: str | None = None,
) -> bytes:
    """Write a problem (RFC 9457); what is not known is left out."""
    code = code or CODES.get(status) or HTTPStatus(status).phrase.lower().replace(" ", "-")
    body: dict[str, object] = {
        "type": f"urn:image-pipeline:problem:{code}",
        "title": code.replace("-", " "),
        "status": status,
        "detail": detail,
    }
    known = {"traceId": trace_id, "found": found, "allowed": allowed}
    body |= {name: value for name, value in known.items() if value is not None}
    # What was found may hold half a character, which JSON can say and UTF-8 cannot.
    return json.dumps(body, ensure_ascii=False).encode(errors="replace")


def trace_id_of(traceparent: str | None) -> str | None:
    """Take the trace id out of a W3C traceparent; None when it is missing or broken."""
    match = _TRACEPARENT.fullmatch(traceparent or "")
    return match.group(1) if match else None
