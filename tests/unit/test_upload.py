"""An upload is accepted when its object and its event are durable, and not before."""

from __future__ import annotations

import json

import pytest

from form import SentFile, clean_name, read_form
from pipeline import ids
from pipeline.errors import InvalidImage, Rejected, Unavailable
from pipeline.http.web import Call
from pipeline.images import decoding
from pipeline.kafka import topics
from pipeline.settings import Settings
from pipeline.storage.results import Results
from tests import pictures
from tests.fakes import MemoryCache, MemoryStore, StubBroker
from upload import Uploads
from waiting import Waiter, preferred_seconds

JPEG = pictures.jpeg()
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
MODEL = "demonstration-0123456789ab"


class Bench:
    """Uploads with fakes all round."""

    def __init__(self) -> None:
        self.store, self.broker, self.cache = MemoryStore(), StubBroker(), MemoryCache()
        self.job_ids = ids.JobIds("key")
        self.uploads = Uploads(
            decoding.Limits.from_settings(Settings()),
            self.store,
            self.broker,
            self.job_ids,
            MODEL,
        )
        self.results = Results(self.store, self.cache)
        self.waiter = Waiter(self.results, places=1, store_every_seconds=0.01)


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_the_object_and_the_event_are_written(bench: Bench) -> None:
    job = bench.uploads.accept("default", SentFile(JPEG, "cat.jpg"), TRACE)

    (value,) = bench.broker.values(topics.UPLOADS.name)
    event = json.loads(value)
    assert bench.store.objects == {
        ("input-images", f"default/{job.image_id[:2]}/{job.image_id}.jpg"): JPEG
    }
    assert event["data"]["originalFileName"] == "cat.jpg"
    assert event["data"]["fileSize"] == len(JPEG)
    assert event["traceparent"].split("-")[1] == TRACE
    assert bench.job_ids.read(job.job_id, "default").image_id == ids.image_id(JPEG)


def test_the_same_bytes_again_are_one_object_and_two_jobs(bench: Bench) -> None:
    first = bench.uploads.accept("default", SentFile(JPEG, "a"), TRACE)
    again = bench.uploads.accept("default", SentFile(JPEG, "b"), TRACE)

    duplicates = [
        json.loads(value)["data"]["duplicate"] for value in bench.broker.values("image-uploads")
    ]
    assert len(bench.store.objects) == 1
    assert first.job_id != again.job_id
    assert duplicates == [False, True]


def test_a_bad_image_leaves_nothing_behind(bench: Bench) -> None:
    with pytest.raises(InvalidImage):
        bench.uploads.accept("default", SentFile(JPEG[:-2], "cat.jpg"), TRACE)

    assert bench.store.objects == {}
    assert bench.broker.sent == []


@pytest.mark.parametrize("part", ["store", "broker"])
def test_without_store_or_broker_nothing_is_accepted(bench: Bench, part: str) -> None:
    getattr(bench, part).down = True

    with pytest.raises(Unavailable):
        bench.uploads.accept("default", SentFile(JPEG, ""), TRACE)


def read_file(request: Call) -> SentFile:
    """The one file of a request."""
    (sent,) = read_form(request, 1).files
    return sent


def call(body: bytes, **headers: str) -> Call:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Call("POST", "/", {}, named, body, TRACE)


def form(*fields: tuple[str, str | None, bytes]) -> Call:
    parts = b""
    for name, file_name, data in fields:
        file_part = f'; filename="{file_name}"' if file_name is not None else ""
        parts += f'--b\r\nContent-Disposition: form-data; name="{name}"{file_part}\r\n\r\n'.encode()
        parts += data + b"\r\n"
    return call(parts + b"--b--\r\n", Content_Type="multipart/form-data; boundary=b")


def test_the_body_itself_may_be_the_image() -> None:
    sent = read_file(call(JPEG, Content_Type="image/jpeg"))

    assert sent == SentFile(JPEG, "")


def test_a_raw_body_may_carry_its_name() -> None:
    sent = read_file(call(JPEG, Content_Disposition='attachment; filename="cat.jpg"'))

    assert sent.name == "cat.jpg"


def test_the_file_field_of_a_form_is_taken() -> None:
    sent = read_file(form(("note", None, b"hello"), ("file", "dir/cat.jpg", JPEG)))

    assert sent == SentFile(JPEG, "cat.jpg")


@pytest.mark.parametrize(
    "request_",
    [
        form(("other", "cat.jpg", JPEG)),
        form(("file", None, JPEG)),
        form(("file", "a.jpg", JPEG), ("file", "b.jpg", JPEG)),
        call(b"no form", Content_Type="multipart/form-data"),
    ],
)
def test_a_form_without_exactly_one_file_is_refused(request_: Call) -> None:
    with pytest.raises(Rejected) as refused:
        read_file(request_)

    assert (refused.value.status, refused.value.code) == (400, "bad-form")


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("cat.jpg", "cat.jpg"),
        ("../../etc/passwd", "passwd"),
        ("C:\\photos\\cat.jpg", "cat.jpg"),
        ("a\r\nX-Evil: 1\0.jpg", "aX-Evil: 1.jpg"),
        ("\N{RIGHT-TO-LEFT OVERRIDE}gpj.exe", "gpj.exe"),
        ("n" * 300, "n" * 255),
        ("", ""),
    ],
)
def test_a_file_name_is_kept_without_what_could_harm(sent: str, kept: str) -> None:
    assert clean_name(sent) == kept


@pytest.mark.parametrize(
    ("prefer", "seconds"),
    [
        ("", 0),
        ("wait=5", 5),
        ("Wait=5", 5),
        ("WAIT = 5", 5),
        ('wait="5"', 5),
        ("wait=5; x", 5),
        ("wait=5;x=y", 5),
        ("respond-async, wait=7", 7),
        ("respond-async; a=b, wait=7", 7),
        ("return=minimal,wait=7,foo", 7),
        ("wait=999", 30),
        ("wait=99999999999", 30),
        ("wait=4, wait=9", 4),
        ("wait=0", 0),
        ("wait=-1", 0),
        ("wait=+1", 0),
        ("wait=05", 0),
        ("wait=1_0", 0),
        ("wait=\N{ARABIC-INDIC DIGIT FIVE}", 0),
        ("wait=5.5", 0),
        ("wait=\xa05", 0),
        ("wait=" + "9" * 5000, 0),
        ("wait", 0),
        ("foo; wait=5", 0),
        ('foo="a, wait=5"', 0),
        ("await=5", 0),
    ],
)
def test_the_preferred_wait_is_read_and_bounded(prefer: str, seconds: int) -> None:
    assert preferred_seconds(prefer, maximum=30) == seconds


def test_waiting_ends_with_the_result(bench: Bench) -> None:
    job = bench.uploads.accept("default", SentFile(JPEG, ""), TRACE)
    bench.cache.put("default", job.image_id, MODEL, b"{}")

    found = bench.waiter.wait([job], 5)

    assert found[job.job_id].body == b"{}"


def test_a_result_that_only_the_store_has_is_found_while_waiting(bench: Bench) -> None:
    job = bench.uploads.accept("default", SentFile(JPEG, ""), TRACE)
    bench.cache.down = True
    key = ids.result_key("default", job.image_id, MODEL)
    bench.store.put("classification-results", key, b"{}", "application/json")

    found = bench.waiter.wait([job], 5)

    assert not found[job.job_id].from_cache


def test_of_several_each_is_waited_for_beside_those_that_failed(bench: Bench) -> None:
    photos = [pictures.with_nonce(JPEG, b"%d" % number) for number in range(3)]
    failed, cached, stored = [
        bench.uploads.accept("default", SentFile(photo, ""), TRACE) for photo in photos
    ]
    bench.results.save_failure("default", failed.job_id, b"{}")
    bench.cache.put("default", cached.image_id, MODEL, b"{}")
    key = ids.result_key("default", stored.image_id, MODEL)
    bench.store.put("classification-results", key, b"{}", "application/json")

    found = bench.waiter.wait([failed, cached, stored], 30)

    assert found.keys() == {cached.job_id, stored.job_id}


def test_what_was_found_before_the_store_fell_silent_is_told(bench: Bench) -> None:
    first, second = [
        bench.uploads.accept("default", SentFile(photo, ""), TRACE)
        for photo in (JPEG, pictures.with_nonce(JPEG, b"second"))
    ]
    bench.cache.put("default", first.image_id, MODEL, b"{}")
    bench.store.down = True

    assert bench.waiter.wait([first, second], 30).keys() == {first.job_id}


def test_nobody_waits_without_asking_for_it(bench: Bench) -> None:
    job = bench.uploads.accept("default", SentFile(JPEG, ""), TRACE)
    bench.cache.put("default", job.image_id, MODEL, b"{}")

    assert bench.waiter.wait([job], 0) == {}
