"""How the file is found in a request: a multipart field, or the body itself."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from io import BytesIO

from werkzeug.datastructures import FileStorage
from werkzeug.exceptions import RequestEntityTooLarge
from werkzeug.formparser import FormDataParser
from werkzeug.http import parse_options_header

from pipeline.errors import Rejected
from pipeline.web import MAX_FOUND_CHARACTERS, Call

FIELD = "file"

# Longer names are cut: the name travels in an event that stays under 4 KB.
_MAX_NAME_CHARACTERS = 255
_MAX_PARTS = 16


@dataclass(frozen=True)
class SentFile:
    """The bytes that were sent and what the client calls them; the name may be empty."""

    data: bytes
    name: str


def read_file(call: Call) -> SentFile:
    """Take the file out of the request.

    Raises:
        Rejected: a multipart body that cannot be read, or without exactly one `file`.
    """
    content_type = call.headers.get("Content-Type", "")
    media_type, options = parse_options_header(content_type)
    if media_type != "multipart/form-data":
        _, disposition = parse_options_header(call.headers.get("Content-Disposition", ""))
        return SentFile(call.body, clean_name(disposition.get("filename", "")))
    files = _parse(call.body, media_type, options)
    if len(files) != 1:
        raise Rejected(
            f"the form has {len(files)} fields named {FIELD!r} with a file; send exactly one",
            code="bad-form",
            found=len(files),
            allowed=1,
        )
    return SentFile(files[0].read(), clean_name(files[0].filename or ""))


def _parse(body: bytes, media_type: str, options: dict[str, str]) -> list[FileStorage]:
    parser = FormDataParser(
        stream_factory=_in_memory,
        max_form_parts=_MAX_PARTS,
        max_form_memory_size=len(body),
    )
    try:
        _, _, files = parser.parse(BytesIO(body), media_type, len(body), options)
    except (ValueError, RequestEntityTooLarge) as error:
        raise Rejected(
            f"the multipart body cannot be read: {error}",
            code="bad-form",
            found=str(options)[:MAX_FOUND_CHARACTERS],
            allowed=f"multipart/form-data with a boundary and one field {FIELD!r}",
        ) from error
    return files.getlist(FIELD)


def _in_memory(
    total_content_length: int | None,
    content_type: str | None,
    filename: str | None,
    content_length: int | None = None,
) -> BytesIO:
    """Keep a part where the body is already, rather than spill it to disk."""
    return BytesIO()


def clean_name(name: str) -> str:
    """Keep the last part of a client's file name, without control or format characters."""
    last = name.replace("\\", "/").rpartition("/")[2]
    printable = "".join(letter for letter in last if unicodedata.category(letter)[0] != "C")
    return unicodedata.normalize("NFC", printable).strip()[:_MAX_NAME_CHARACTERS]
