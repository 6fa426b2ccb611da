"""What S3 says beside the bytes: a page of a listing, what it knows of an object, why it fails."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from urllib.parse import quote, unquote_plus, urlencode
from xml.etree import ElementTree

METADATA = "x-amz-meta-"

_NAMESPACE = "{http://s3.amazonaws.com/doc/2006-03-01/}"
_PAGE = {"list-type": "2", "max-keys": "1000", "encoding-type": "url"}

# About this one request, whatever the rest of the world does. 403 is not: keys, clocks and policies
# are mended by whoever operates the store, and fail every image alike. Nor is 501, nor 404 and 409.
_FINAL = frozenset({405, 410, 411, 413, 414, 415, 416, 422, 431})
_CODE = re.compile(rb"<Code>(\w{1,60})</Code>")
# A 400 is final as well where S3 itself says it, but for these: of bytes that were changed or cut
# on their way, and of credentials.
_NOT_FINAL_CODES = frozenset(
    {
        b"AuthorizationHeaderMalformed",
        b"BadDigest",
        b"ExpiredToken",
        b"IncompleteBody",
        b"InvalidToken",
        b"RequestTimeout",
        b"XAmzContentSHA256Mismatch",
    }
)


def is_final(status: int, body: bytes) -> bool:
    """Tell whether an error that the store answered would be answered again, for ever."""
    if status == 400:
        code = _CODE.search(body[:1000])
        return code is not None and code[1] not in _NOT_FINAL_CODES
    return status in _FINAL


@dataclass(frozen=True)
class Listed:
    """One object of a bucket; `modified` is RFC 3339, `size` in bytes."""

    key: str
    modified: str
    size: int = 0

    @property
    def stored_at(self) -> float:
        """When it was stored, in seconds since 1970."""
        return datetime.fromisoformat(self.modified).timestamp()


@dataclass(frozen=True)
class Described:
    """What the store knows of an object: size in bytes, time in seconds since 1970, and what for.

    Attributes:
        metadata: as it was created with, names in lower case.
    """

    size: int
    content_type: str
    stored_at: float
    metadata: Mapping[str, str]

    @classmethod
    def from_headers(cls, headers: Mapping[str, str]) -> Described:
        """Read the answer to a HEAD."""
        said = {name.lower(): value for name, value in headers.items()}
        return cls(
            size=int(said["content-length"]),
            content_type=said["content-type"],
            stored_at=parsedate_to_datetime(said["last-modified"]).timestamp(),
            metadata={
                name.removeprefix(METADATA): value
                for name, value in said.items()
                if name.startswith(METADATA)
            },
        )


def page_query(prefix: str, token: str, delimiter: str = "") -> str:
    """Ask for a page of a listing.

    Args:
        token: that of the page before, empty for the first.
        delimiter: where keys that go on behind it are told once, as a folder.
    """
    more = {"continuation-token": token, "delimiter": delimiter}
    asked = _PAGE | {"prefix": prefix} | {name: value for name, value in more.items() if value}
    return urlencode(sorted(asked.items()), quote_via=quote, safe="-_.~")


@dataclass(frozen=True)
class Page:
    """A page of a listing; `token` asks for the next one and is empty in the last."""

    objects: list[Listed]
    folders: list[str]
    token: str


def read_page(page: bytes) -> Page:
    """Read what a listing answered."""
    root = ElementTree.fromstring(page)
    found = [
        Listed(
            unquote_plus(_text(each, "Key")),
            _text(each, "LastModified"),
            int(_text(each, "Size") or 0),
        )
        for each in root.iter(f"{_NAMESPACE}Contents")
    ]
    folders = [
        unquote_plus(_text(each, "Prefix")) for each in root.iter(f"{_NAMESPACE}CommonPrefixes")
    ]
    is_last = _text(root, "IsTruncated") != "true"
    return Page(found, folders, "" if is_last else _text(root, "NextContinuationToken"))


def _text(element: ElementTree.Element, name: str) -> str:
    return element.findtext(f"{_NAMESPACE}{name}") or ""
