"""A form may cost no more than its size is worth, and its file keeps bytes and name."""

from __future__ import annotations

import contextlib
import gc
import tracemalloc

import pytest

from form import SentFile, read_form
from pipeline.errors import Rejected
from pipeline.http.web import Call
from tests import pictures

JPEG = pictures.jpeg()
FORM = "multipart/form-data; boundary=b"
DISPOSITION = b'Content-Disposition: form-data; name="file"; filename="cat.jpg"'
LARGE = 2_000_000


def call(body: bytes, content_type: str = FORM, **headers: str) -> Call:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Call("POST", "/", {}, {"Content-Type": content_type, **named}, body, "trace")


def read_file(request: Call) -> SentFile:
    """The one file of a request."""
    (sent,) = read_form(request, 1).files
    return sent


def part(*lines: bytes, data: bytes = JPEG) -> bytes:
    return b"--b\r\n" + b"".join(line + b"\r\n" for line in lines) + b"\r\n" + data + b"\r\n"


def form(*lines: bytes, data: bytes = JPEG) -> Call:
    return call(part(*lines, data=data) + b"--b--\r\n")


def named(parameters: bytes) -> Call:
    return form(b'Content-Disposition: form-data; name="file"; ' + parameters)


HOSTILE = {
    "parameters": form(DISPOSITION + b"; a=b" * (LARGE // 5)),
    "continued parameters": form(DISPOSITION + b"; filename*0*=x" * (LARGE // 15)),
    "header lines": form(DISPOSITION, *[b"X-A: b"] * (LARGE // 8)),
    "folded lines": form(DISPOSITION, *[b" x"] * (LARGE // 4)),
    "file name": named(b'filename="%s"' % (b"n" * LARGE)),
    "field name": form(b'Content-Disposition: form-data; name="%s"' % (b"n" * LARGE)),
    "one endless header": call(b"--b\r\n" + b"x" * LARGE),
    "parts": call(part(b'Content-Disposition: form-data; name="a"', data=b"") * (LARGE // 60)),
}


@pytest.mark.parametrize("request_", HOSTILE.values(), ids=HOSTILE)
def test_a_form_beyond_its_limits_is_refused_before_it_takes_memory(request_: Call) -> None:
    tracemalloc.start()

    with pytest.raises(Rejected, match=r"(?i)limit|maximum|unexpected") as refused:
        read_file(request_)

    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (refused.value.status, refused.value.code) == (400, "bad-form")
    assert "16 parts" in str(refused.value.allowed)
    assert peak_bytes < 1.2 * len(request_.body)


def test_a_refused_form_leaves_nothing_in_memory() -> None:
    request = HOSTILE["file name"]
    gc.collect()
    gc.disable()
    tracemalloc.start()
    try:
        with contextlib.suppress(Rejected):
            read_file(request)

        kept_bytes, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
        gc.enable()
    assert kept_bytes < 0.1 * LARGE


@pytest.mark.parametrize("around", ["preamble", "epilogue", "lines that nearly end it"])
def test_a_form_takes_no_more_memory_than_a_second_copy(around: str) -> None:
    data = b"\r\n--" * (LARGE // 4) if around == "lines that nearly end it" else JPEG
    body = part(DISPOSITION, data=data) + b"--b--\r\n"
    body = b"p\r\n" * (LARGE // 3) + body if around == "preamble" else body
    body = body + b"e\r\n" * (LARGE // 3) if around == "epilogue" else body
    tracemalloc.start()

    sent = read_file(call(body))

    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert sent == SentFile(data, "cat.jpg")
    assert peak_bytes < 1.2 * len(body)


@pytest.mark.parametrize(
    "body",
    [
        part(DISPOSITION),
        part(DISPOSITION) + b"--b",
        part(DISPOSITION) + b"--other--\r\n",
        part(DISPOSITION).replace(b"\r\n", b"\n") + b"--b--\n",
        b"",
        b"--b--\r\n",
        part(b"Content-Type: image/jpeg") + b"--b--\r\n",
        part(DISPOSITION.replace(b"form-data", b"attachment")) + b"--b--\r\n",
        part(DISPOSITION, DISPOSITION) + b"--b--\r\n",
        part(DISPOSITION, b"no colon") + b"--b--\r\n",
        part(b'Content-Disposition: form-data; filename="a"') + b"--b--\r\n",
    ],
)
def test_a_form_that_is_cut_off_or_malformed_is_refused(body: bytes) -> None:
    with pytest.raises(Rejected) as refused:
        read_file(call(body))

    assert (refused.value.status, refused.value.code) == (400, "bad-form")


def test_a_field_is_no_file_because_it_speaks_of_one() -> None:
    body = part(b'Content-Disposition: form-data; name="file"; note="filename"', data=b"cat.jpg")

    with pytest.raises(Rejected, match="0 fields"):
        read_file(call(body + b"--b--"))


@pytest.mark.parametrize("boundary", ["", '""', "x" * 71, '"b "', '"b\x01"', "é"])
def test_a_boundary_that_is_none_is_refused(boundary: str) -> None:
    with pytest.raises(Rejected, match="boundary") as refused:
        read_file(call(part(DISPOSITION), f"multipart/form-data; boundary={boundary}"))

    assert refused.value.code == "bad-form"


def test_a_boundary_of_seventy_characters_is_taken() -> None:
    boundary = "x" * 70
    body = part(DISPOSITION).replace(b"--b", f"--{boundary}".encode())

    sent = read_file(call(body + f"--{boundary}--".encode(), f'{FORM[:20]}boundary="{boundary}"'))

    assert sent.data == JPEG


@pytest.mark.parametrize("encoding", ["base64", "Quoted-Printable", "x-gzip"])
def test_a_part_that_is_encoded_is_refused_by_the_name_of_its_encoding(encoding: str) -> None:
    with pytest.raises(Rejected, match=encoding) as refused:
        read_file(form(DISPOSITION, f"Content-Transfer-Encoding: {encoding}".encode()))

    assert (refused.value.status, refused.value.code) == (415, "unsupported-transfer-encoding")
    assert refused.value.allowed == "7bit, 8bit, binary"


def test_a_part_that_says_it_is_not_encoded_is_taken() -> None:
    sent = read_file(form(DISPOSITION, b"content-transfer-encoding: BINARY"))

    assert sent.data == JPEG


@pytest.mark.parametrize(
    ("parameters", "name"),
    [
        (b'filename="\\"', ""),
        (b'filename="a\\b.jpg\\"', ""),
        (b'x="a\\"; filename="b.jpg\\"', ""),
        (b'filename="na\xc3\xafve.jpg"', "naïve.jpg"),
        (b'filename="na\xefve.jpg"', "naïve.jpg"),
        (b"filename=cat.jpg", "cat.jpg"),
        (b'FileName="cat.jpg"', "cat.jpg"),
        (b'filename="a%22b.jpg"', 'a"b.jpg'),
        (b'filename="a\\"b.jpg"', 'a"b.jpg'),
        (b'filename="a;b=c.jpg"', "a;b=c.jpg"),
        (b"filename*=UTF-8''na%C3%AFve.jpg", "naïve.jpg"),
        (b"filename*=iso-8859-1'fr'na%EFve.jpg", "naïve.jpg"),
        (b"filename=\"naive.jpg\"; filename*=UTF-8''na%C3%AFve.jpg", "naïve.jpg"),
        (b"filename*=UTF-8''na%C3%AFve.jpg; filename=\"naive.jpg\"", "naïve.jpg"),
        (b"filename*0*=UTF-8''na%C3%AF; filename*1*=ve.jpg", "naïve.jpg"),
        (b"filename*=UTF-8''%C3%83%C2%A9.jpg", "Ã©.jpg"),
        (b'filename="\xed\xa0\x80.jpg"', "í\xa0.jpg"),
        (b"filename*=UTF-8''%ED%A0%80.jpg", "\ufffd\ufffd\ufffd.jpg"),
        (b'filename=""', ""),
    ],
)
def test_a_file_keeps_its_name_however_it_is_written(parameters: bytes, name: str) -> None:
    assert read_file(named(parameters)) == SentFile(JPEG, name)


def test_a_raw_body_keeps_its_name_however_it_is_written() -> None:
    names = [
        read_file(call(JPEG, "image/jpeg", Content_Disposition=f"attachment; {text}")).name
        for text in (
            'filename="naïve.jpg"',
            'filename="na\xc3\xafve.jpg"',
            "filename*=UTF-8''%C3%AF",
        )
    ]

    assert names == ["naïve.jpg", "naïve.jpg", "ï"]


@pytest.mark.parametrize("content_type", [FORM.title().replace("Boundary=B", "boundary=b"), FORM])
def test_what_a_form_is_called_has_no_case(content_type: str) -> None:
    body = part(b'CONTENT-disposition: Form-Data; NAME="file"; filename=a') + b"--b--"

    sent = read_file(call(body, content_type))

    assert sent == SentFile(JPEG, "a")


@pytest.mark.parametrize("header", ["Content-Type", "Content-Disposition"])
def test_an_endless_header_of_the_request_is_refused(header: str) -> None:
    headers = {"Content-Type": "image/jpeg", header: "image/jpeg; a=" + "b" * 5000}

    with pytest.raises(Rejected, match=f"{header} has 5,014 bytes") as refused:
        read_file(Call("POST", "/", {}, headers, JPEG, "trace"))

    assert (refused.value.status, refused.value.allowed) == (431, 4096)


def many(count: int) -> Call:
    parts = [
        part(DISPOSITION.replace(b"cat", b"%d" % number), data=JPEG[:-number])
        for number in range(1, count + 1)
    ]
    return call(b"".join(parts) + b"--b--\r\n")


def test_files_are_taken_in_their_order() -> None:
    sent = read_form(many(3), 3).files

    assert sent == [SentFile(JPEG[:-number], f"{number}.jpg") for number in (1, 2, 3)]


@pytest.mark.parametrize("count", [0, 4, 18])
def test_more_files_than_may_be_or_none_are_refused_with_their_number(count: int) -> None:
    with pytest.raises(Rejected, match=rf"{count} fields named 'file' .* send 1 to 3") as refused:
        read_form(many(count), 3)

    assert (refused.value.found, refused.value.allowed) == (count, "1 to 3")


def test_a_form_may_have_so_many_other_parts_beside_its_files() -> None:
    other = part(b'Content-Disposition: form-data; name="note"', data=b"x")
    file = part(DISPOSITION)
    whole = call(other * 15 + file * 3 + b"--b--\r\n")
    too_many = call(other * 16 + file * 3 + b"--b--\r\n")

    assert len(read_form(whole, 3).files) == 3
    with pytest.raises(Rejected, match=r"(?i)maximum|limit") as refused:
        read_form(too_many, 3)
    assert "18 parts" in str(refused.value.allowed)
