"""Forms that no client sends: whatever they hold, they are read or refused, and cheaply.

`fuzz(count, seed)` tries as many forms; a failing one is shrunk by hypothesis and shown.
"""

from __future__ import annotations

import time
import unicodedata
from dataclasses import dataclass, field

from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

from form import SentFile, read_form
from pipeline.errors import Rejected
from pipeline.http.web import Call, problem

# What parsers stumble over, between bytes of all kinds.
_PIECES = st.one_of(
    st.binary(max_size=20),
    st.sampled_from(
        [
            b"\r\n", b"\n", b"\r", b"--", b"--b0", b"\r\n--b0", b"\r\n--b0\r\n", b"\r\n--b0--",
            b"Content-Disposition: form-data", b'; name="file"', b'; filename="a.jpg"',
            b"; filename=", b"; filename*=UTF-8''%C3", b"; filename*0*=", b"; NAME=file", b'"',
            b"\\", b";", b"=", b"%22", b": ", b"Content-Type: image/jpeg", b"Content-Length: 9",
            b"\r\n\r\n", b" ", b"\t", b"Content-Transfer-Encoding: base64", b"\xff",
            b"\xed\xa0\x80", b"\0", b"x" * 5000, b"A: b\r\n" * 10,
        ]
    ),
)  # fmt: skip
_NAMES = st.one_of(
    st.text(max_size=40), st.binary(max_size=40).map(lambda raw: raw.decode("latin-1"))
)
_CONTENT_TYPES = st.one_of(
    st.just("multipart/form-data; boundary=b0"),
    st.text(st.characters(max_codepoint=255), max_size=60).map(
        lambda text: f"multipart/form-data; boundary={text}"
    ),
    st.text(st.characters(max_codepoint=255), max_size=60),
)


@dataclass
class Figures:
    """What was tried, and the most that one form cost.

    Attributes:
        worst_seconds: CPU, of this thread.
    """

    read: int = 0
    refused: int = 0
    statuses: set[int] = field(default_factory=set)
    worst_seconds: float = 0.0


@st.composite
def _broken(draw: st.DrawFn) -> bytes:
    """A form with anything in it, begun as one so that it is not refused at its first byte."""
    head = draw(st.sampled_from([b"", b"--b0\r\n", b"\r\n--b0\r\nContent-Disposition: form-data"]))
    return head + b"".join(draw(st.lists(_PIECES, max_size=30)))


def _whole(name: str, data: bytes) -> bytes:
    """A form as browsers write it (HTML's multipart/form-data encoding)."""
    escaped = name.replace("\r", "%0D").replace("\n", "%0A").replace('"', "%22")
    disposition = f'Content-Disposition: form-data; name="file"; filename="{escaped}"'
    head = b"--b0\r\n" + disposition.encode() + b"\r\nContent-Type: image/jpeg\r\n\r\n"
    return head + data + b"\r\n--b0--\r\n"


def fuzz(count: int, seed_: int = 0) -> Figures:
    """Try `count` broken forms and half as many whole ones."""
    figures = Figures()
    quietly = settings(
        max_examples=count,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )

    @seed(seed_)
    @quietly
    @given(_CONTENT_TYPES, _broken(), _NAMES)
    def is_read_or_refused(content_type: str, body: bytes, name: str) -> None:
        disposition = f'attachment; filename="{name}"'
        sent = _read(body, content_type, disposition, figures)
        if sent is not None:
            assert sent.data in body
            _check_name(sent.name)

    @seed(seed_)
    @settings(quietly, max_examples=max(1, count // 2))
    @given(st.text(st.characters(exclude_categories=["Cs"]), max_size=60), st.binary(max_size=300))
    def is_read_whole(name: str, data: bytes) -> None:
        if b"\r\n--b0" in b"\r\n" + data:
            return
        sent = _read(_whole(name, data), "multipart/form-data; boundary=b0", "", figures)
        assert sent is not None
        assert sent.data == data
        _check_name(sent.name)
        plain = "".join(letter for letter in name if letter.isalnum())
        if plain == name and name == unicodedata.normalize("NFC", name):
            assert sent.name == name

    is_read_or_refused()
    is_read_whole()
    return figures


def _read(body: bytes, content_type: str, disposition: str, figures: Figures) -> SentFile | None:
    headers = {"Content-Type": content_type, "Content-Disposition": disposition}
    began = time.thread_time()
    try:
        (sent,) = read_form(Call("POST", "/", {}, headers, body, "trace"), 1).files
    except Rejected as error:
        figures.refused += 1
        figures.statuses.add(error.status)
        problem(error, "trace")["body"].encode()
        return None
    finally:
        figures.worst_seconds = max(figures.worst_seconds, time.thread_time() - began)
    figures.read += 1
    return sent


def _check_name(name: str) -> None:
    """A name goes into events, headers of objects and pages."""
    name.encode()
    assert len(name) <= 255
    assert not [letter for letter in name if unicodedata.category(letter)[0] == "C"]
    assert "/" not in name
    assert "\\" not in name
