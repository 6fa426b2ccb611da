"""How files are found in a request: multipart fields, or the body itself."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice

from multipart import (  # type: ignore[import-untyped]
    MultipartError,
    MultipartSegment,
    PushMultipartParser,
)
from werkzeug.http import parse_options_header

from pipeline.errors import HeadersTooLarge, Rejected, UnsupportedEncoding
from pipeline.events.checks import MAX_FILE_NAME_CHARACTERS
from pipeline.http.web import MAX_FOUND_CHARACTERS, Call

FIELD = "file"
# Fields without a file whose text is wanted, too.
TEXTS = frozenset({"dag_id"})

# Beside the files: fields of others, which are passed over.
_MAX_OTHER_PARTS = 15
# RFC 7578 knows three headers of a part.
_MAX_PART_HEADERS = 8
# Room for the longest name with each of its bytes percent-encoded.
_MAX_HEADER_BYTES = 4096
# RFC 2046 allows 70 characters.
_BOUNDARY = re.compile(r"[!-~](?:[ -~]{0,68}[!-~])?")
# More of a text is not looked at: it is refused for what is there.
_MAX_TEXT_BYTES = 1024
# What leaves the bytes of a part as they are (RFC 7578 knows no other).
_PLAIN_ENCODINGS = ("7bit", "8bit", "binary")
# HTML escapes no backslash, so that the last one of a name is no escape of the quote behind it.
_PLAIN_NAME = re.compile(r';[ \t]*filename="([^"]*)"[ \t]*(?:;|$)', re.IGNORECASE)
_EXTENDED_NAME = re.compile(r";[ \t]*(filename\*=[^;]*)", re.IGNORECASE)


@dataclass(frozen=True)
class SentFile:
    """The bytes that were sent and what the client calls them; the name may be empty."""

    data: bytes
    name: str


@dataclass(frozen=True)
class Form:
    """What a request holds: files in their order, and the texts that are wanted."""

    files: list[SentFile]
    texts: Mapping[str, str]


def read_form(call: Call, most: int) -> Form:
    """Take files and texts out of the request.

    Raises:
        HeadersTooLarge: a header is too long.
        UnsupportedEncoding: a part is encoded.
        Rejected: a multipart body cannot be read, or has no `file`, or more than the most.
    """
    media_type, options = parse_options_header(_header(call, "Content-Type"))
    if media_type.lower() != "multipart/form-data":
        name = _file_name(_header(call, "Content-Disposition"))
        return Form([SentFile(call.body, clean_name(name or ""))], {})
    texts: dict[str, str] = {}
    try:
        files = _counted(_files(call.body, _boundary(options, most), most, texts), most)
        return Form(files, texts)
    except MultipartError as error:
        # The parser keeps its error and the error the parser's frames, and with them the body:
        # without its traceback both go at once, not when garbage is collected next.
        reason = error.with_traceback(None)
        raise _bad_form(f"the multipart body cannot be read: {reason}", most) from reason


def _header(call: Call, name: str) -> str:
    value = call.headers.get(name, "")
    if len(value) > _MAX_HEADER_BYTES:
        raise HeadersTooLarge(
            f"{name} has {len(value):,} bytes; the limit is {_MAX_HEADER_BYTES:,}",
            found=len(value),
            allowed=_MAX_HEADER_BYTES,
        )
    return value


def _boundary(options: dict[str, str], most: int) -> str:
    boundary = options.get("boundary", "")
    if not _BOUNDARY.fullmatch(boundary):
        raise _bad_form(
            "the boundary is not 1 to 70 printable ASCII characters"
            if boundary
            else "Content-Type names no boundary",
            most,
            found=boundary[:MAX_FOUND_CHARACTERS],
        )
    return boundary


def _files(body: bytes, boundary: str, most: int, texts: dict[str, str]) -> Iterator[SentFile]:
    """Yield what the field holds, one after the other, as it is read.

    Args:
        texts: takes those that are wanted.

    Raises:
        MultipartError: the body is no form, is cut off, or goes beyond a limit.
        UnsupportedEncoding: a part is encoded.
        Rejected: a part has a header twice, or the form a text.
    """
    parser = PushMultipartParser(
        boundary,
        max_header_size=_MAX_HEADER_BYTES,
        max_header_count=_MAX_PART_HEADERS,
        max_segment_count=most + _MAX_OTHER_PARTS,
        # Any byte is a character of Latin-1: which of them a name means is told by the name.
        header_charset="latin-1",
        strict=True,
    )
    name: str | None = None
    text: str | None = None
    data = b""
    with parser:
        # In one piece: what a part holds is then copied once, and is no part's but this one's.
        for event in parser.parse(body):
            if isinstance(event, MultipartSegment):
                name, data = _file_name_of(event, most), b""
                text = event.name if name is None and event.name in TEXTS else None
            elif event:
                data = event
            elif name is not None:
                yield SentFile(data, clean_name(name))
            elif text is not None:
                if text in texts:
                    raise _bad_form(f"the form has the field {text!r} twice", most)
                texts[text] = data[:_MAX_TEXT_BYTES].decode("utf-8", "replace")


def _file_name_of(part: MultipartSegment, most: int) -> str | None:
    """Tell what the file in a part is called; None where the part holds none of ours."""
    headers = dict(part.headerlist)
    if len(headers) < len(part.headerlist):
        raise _bad_form("a part has a header twice", most)
    encoding = headers.get("Content-Transfer-Encoding", "binary").strip()
    if encoding.lower() not in _PLAIN_ENCODINGS:
        raise UnsupportedEncoding(
            f"a part has the Content-Transfer-Encoding {encoding[:MAX_FOUND_CHARACTERS]!r};"
            " send the bytes as they are",
            code="unsupported-transfer-encoding",
            found=encoding[:MAX_FOUND_CHARACTERS],
            allowed=", ".join(_PLAIN_ENCODINGS),
        )
    return _file_name(headers["Content-Disposition"]) if part.name == FIELD else None


def _counted(files: Iterator[SentFile], most: int) -> list[SentFile]:
    sent = list(islice(files, most))
    found = len(sent) + sum(1 for _ in files)  # those too many are not kept
    if not 1 <= found <= most:
        wanted = "exactly one" if most == 1 else f"1 to {most}"
        raise _bad_form(
            f"the form has {found} fields named {FIELD!r} with a file; send {wanted}",
            most,
            found=found,
            allowed=1 if most == 1 else wanted,
        )
    return sent


def _bad_form(detail: str, most: int, found: object = None, allowed: object = None) -> Rejected:
    files = f"one field {FIELD!r}" if most == 1 else f"1 to {most} fields {FIELD!r}"
    form = (
        f"multipart/form-data with {files}, up to {most + _MAX_OTHER_PARTS} parts of up to"
        f" {_MAX_PART_HEADERS} headers of {_MAX_HEADER_BYTES:,} bytes, and the closing boundary"
    )
    return Rejected(detail, code="bad-form", found=found, allowed=allowed or form)


def _file_name(disposition: str) -> str | None:
    """Read the file name out of a Content-Disposition, as RFC 2231, 6266, 7578 and HTML write it.

    None where there is none, which is not an empty one.

    Args:
        disposition: its bytes, each a character, as WSGI gives headers.
    """
    text = _decoded(disposition)
    # RFC 6266: filename* goes before filename, whichever comes first; what comes last counts here.
    extended = _EXTENDED_NAME.search(text)
    _, options = parse_options_header(f"{text}; {extended[1]}" if extended else text)
    if "filename" not in options and (plain := _PLAIN_NAME.search(text)):
        return plain[1]
    return options.get("filename")


def _decoded(text: str) -> str:
    """Read bytes, each a character so far, as UTF-8, or as Latin-1 where they are none."""
    try:
        return text.encode("latin-1").decode()
    except UnicodeError:
        return text


def clean_name(name: str) -> str:
    """Keep the last part of a client's file name, without control or format characters."""
    last = name.replace("\\", "/").rpartition("/")[2]
    printable = "".join(letter for letter in last if unicodedata.category(letter)[0] != "C")
    # It travels in an event, which takes no longer one.
    return unicodedata.normalize("NFC", printable).strip()[:MAX_FILE_NAME_CHARACTERS]
