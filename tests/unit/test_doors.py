"""The other names of an upload: what each takes, how long it waits, and what it says."""

from __future__ import annotations

import pytest

from doors import Door, door_of
from pipeline.errors import Rejected
from pipeline.http.web import Call
from tests import pictures

JPEG = pictures.jpeg()
GIF = b"GIF89a" + bytes(20)


def form(*parts: tuple[str, bytes], **headers: str) -> Call:
    body = b""
    for name, data in parts:
        file = '; filename="a"' if name == "file" else ""
        body += f'--b\r\nContent-Disposition: form-data; name="{name}"{file}\r\n\r\n'.encode()
        body += data + b"\r\n"
    kind = {"Content-Type": "multipart/form-data; boundary=b"}
    return Call("POST", "/", {}, {**kind, **headers}, body + b"--b--\r\n", "trace")


UPLOAD, CLASSIFY, OURS = door_of("/upload/"), door_of("/api/classify"), door_of("/")


def test_any_other_path_is_our_own() -> None:
    assert OURS == door_of("/uploads") == door_of("/classify") == Door()


def test_a_workflow_is_named_beside_the_file() -> None:
    taken = UPLOAD.read(form(("dag_id", b"nightly-1"), ("file", JPEG)), 16)

    assert UPLOAD.told(taken) == {"dagId": "nightly-1"}
    assert CLASSIFY.told(taken) == OURS.told(taken) == {}


@pytest.mark.parametrize("text", [b"", b"a b", b"../x", b"\xff", b"x" * 251, b"x" * 5000, b"a\n"])
def test_what_names_no_workflow_is_refused(text: bytes) -> None:
    with pytest.raises(Rejected, match="dag_id") as refused:
        UPLOAD.read(form(("file", JPEG), ("dag_id", text)), 16)

    assert refused.value.code == "bad-form"


def test_two_workflows_are_refused() -> None:
    with pytest.raises(Rejected, match="twice"):
        UPLOAD.read(form(("dag_id", b"a"), ("file", JPEG), ("dag_id", b"b")), 16)


def test_another_format_is_refused_by_name_where_two_are_known() -> None:
    with pytest.raises(Rejected, match="GIF") as refused:
        UPLOAD.read(form(("file", GIF)), 16)

    assert (refused.value.status, refused.value.allowed) == (415, "JPEG or PNG")
    assert OURS.read(form(("file", GIF)), 16).files[0].data == GIF


@pytest.mark.parametrize("door", [UPLOAD, CLASSIFY])
def test_one_file_is_all_that_they_take(door: Door) -> None:
    with pytest.raises(Rejected, match="exactly one"):
        door.read(form(("file", JPEG), ("file", JPEG)), 16)


@pytest.mark.parametrize(
    ("door", "prefer", "seconds"),
    [
        (UPLOAD, {}, 30),
        (UPLOAD, {"Prefer": "wait=5"}, 5),
        (UPLOAD, {"Prefer": "wait=0"}, 0),
        (CLASSIFY, {"Prefer": "wait=5"}, 0),
        (OURS, {}, 0),
        (OURS, {"Prefer": "wait=5"}, 5),
    ],
)
def test_one_waits_by_itself_and_one_never(
    door: Door, prefer: dict[str, str], seconds: int
) -> None:
    assert door.seconds(form(**prefer), 30) == seconds
