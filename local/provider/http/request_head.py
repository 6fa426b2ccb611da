"""Which requests are plain: a call of a function whose head and body can be read in one way only.

What is not plain is left to aiohttp, which knows all of HTTP, and refuses what is none.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

MAX_HEAD_BYTES = 16 * 1024
_METHODS = b"GET|HEAD|POST|PUT|PATCH|DELETE|OPTIONS"
_REQUEST_LINE = rb"(%b) (/function/[!-~]+) HTTP/1\.1\r\n" % _METHODS
_FIELD = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]++:[\t -~\x80-\xff]*+\r\n"
_HEAD = re.compile(_REQUEST_LINE + rb"((?:%b)+)\r\n" % _FIELD)
_BEGINNING = re.compile(rb"[A-Z]{0,7}|(?:%b) (?:/[!-~]*(?: [HTP/1.]{0,8}\r?)?)?" % _METHODS)
_FUNCTION = b"/function/"
# Each changes how a body is read, or what comes after it.
_NOT_PLAIN = frozenset(
    {b"transfer-encoding", b"content-encoding", b"expect", b"upgrade", b"trailer", b"te"}
)
_MAX_LENGTH_DIGITS = 12


@dataclass(slots=True)
class Head:
    """The head of a plain request.

    Attributes:
        by_name: the headers, their names in lower case; none comes twice.
        length: bytes of the body.
        is_last: the caller wants the connection closed after the answer.
    """

    method: bytes
    target: str
    headers: list[tuple[bytes, bytes]]
    by_name: dict[bytes, bytes]
    length: int
    is_last: bool


def may_become_plain(beginning: bytes) -> bool:
    """Tell of a head that is not whole whether it may still be that of a plain request."""
    if len(beginning) > MAX_HEAD_BYTES:
        return False
    line, is_whole, _ = beginning.partition(b"\r\n")
    if not is_whole:
        return _BEGINNING.fullmatch(line) is not None
    _, _, target = line.partition(b" ")
    return target.startswith(_FUNCTION) and line.endswith(b" HTTP/1.1")


def read(head: bytes) -> Head | None:
    """Read a whole head, its empty line included; None where it is not plain."""
    match = _HEAD.fullmatch(head)
    if match is None or len(head) > MAX_HEAD_BYTES:
        return None
    headers = []
    for line in match[3].split(b"\r\n")[:-1]:
        name, _, value = line.partition(b":")
        headers.append((name, value.strip(b" \t")))
    by_name = {name.lower(): value for name, value in headers}
    if len(by_name) != len(headers) or b"host" not in by_name or by_name.keys() & _NOT_PLAIN:
        return None
    connection = by_name.get(b"connection", b"keep-alive").lower()
    length = by_name.get(b"content-length", b"0")
    if connection not in (b"keep-alive", b"close"):
        return None
    if not length.isdigit() or len(length) > _MAX_LENGTH_DIGITS:
        return None
    is_last = connection == b"close"
    return Head(match[1], match[2].decode(), headers, by_name, int(length), is_last)
