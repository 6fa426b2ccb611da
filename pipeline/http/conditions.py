"""Whether a client has an answer already: entity tags and `If-None-Match` (RFC 9110, 13)."""

from __future__ import annotations

import base64
import hashlib
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pipeline.http.web import Call, Response

# Kept by the client alone, and asked about each time: a job goes on, a model may be changed.
CACHE_CONTROL = "private, no-cache"

_TAG_BYTES = 16
_TAG = re.compile(r'(?:W/)?("[!\x23-\x7e\x80-\xff]*")')
_TAGS = re.compile(rf"[ \t,]*{_TAG.pattern}(?:[ \t]*,[ \t,]*{_TAG.pattern})*[ \t,]*")


def conditional(call: Call, response: Response) -> Response:
    """Give an answer its entity tag; to a client that has it, nothing but that it is still so.

    The tag follows from the body alone, and goes only to who is shown it.
    """
    tag = entity_tag(response["body"])
    headers = {**response["headers"], "ETag": tag, "Cache-Control": CACHE_CONTROL}
    if call.method in ("GET", "HEAD") and has(call.headers.get("If-None-Match", ""), tag):
        del headers["Content-Type"]
        return {"statusCode": 304, "headers": headers, "body": ""}
    return {**response, "headers": headers}


def entity_tag(body: str) -> str:
    """Name an answer by its content, strongly: the same bytes, and no others, have this name."""
    digest = hashlib.sha256(body.encode()).digest()[:_TAG_BYTES]
    return f'"{base64.urlsafe_b64encode(digest).rstrip(b"=").decode()}"'


def has(if_none_match: str, tag: str) -> bool:
    """Tell whether a client names this tag: weakly, as for GET, for what is packed has a weak one.

    What is no list of tags is no condition.
    """
    if if_none_match.strip(" \t") == "*":
        return True
    # Most requests have none; and a list is searched before it is read, as most are read in vain.
    if tag not in if_none_match or not _TAGS.fullmatch(if_none_match):
        return False
    return tag in _TAG.findall(if_none_match)
