"""Every accepted job is accounted for, and what was lost, and only that, is sent again."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from form import SentFile
from pipeline import ids
from pipeline.events import failures
from pipeline.events.cloudevents import ImageUploaded
from pipeline.kafka import topics
from tests import pictures
from tests.fakes import MemoryStore
from tests.house import MODEL, TRACE, House

UPLOADS = topics.UPLOADS.name


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


def test_every_job_is_in_one_state(house: House) -> None:
    house.complete(house.upload("completed"))
    house.complete(house.upload("another tenant's", tenant="default-2"))
    house.fail(house.upload("failed"))
    house.commit()
    house.upload("in flight")

    assert house.figures() == {"accepted": 4, "completed": 2, "failed": 1, "inFlight": 1}


def test_equal_images_are_jobs_of_their_own(house: House) -> None:
    first, _ = house.upload("a"), house.upload("a")
    house.commit()
    house.fail(first)
    house.upload("a")

    figures = house.figures(dry_run=True)

    assert figures == {"accepted": 3, "failed": 1, "inFlight": 1, "missing": 1}


def test_events_of_one_job_count_once(house: House) -> None:
    job = house.upload("a")
    house.broker.sent *= 3
    house.complete(job)
    house.commit()

    assert house.figures() == {"accepted": 1, "completed": 1}


def test_a_retry_that_waits_is_in_flight(house: House) -> None:
    house.upload("a")
    house.commit()
    retry = house.events()[0].again(2000.0)
    house.broker.publish(topics.RETRY.name, retry.image_id, retry.encode())

    assert house.figures() == {"accepted": 1, "inFlight": 1}


def test_a_message_that_is_no_event_is_no_job(house: House) -> None:
    house.broker.publish(UPLOADS, "key", b"\xff")

    assert house.figures() == {}


def test_a_lost_event_comes_back_as_it_was(house: House) -> None:
    job = house.upload("ü" * 250)
    (lost,) = house.events()
    house.lose()

    figures = house.figures()

    assert figures == {"reEmitted": 1}
    assert house.events() == [replace(lost, redelivered=True)]
    assert house.events()[0].job_id == job.job_id
    assert house.figures() == {"accepted": 1, "inFlight": 1}


def test_metadata_stay_below_what_s3_keeps(house: House) -> None:
    house.uploads.accept("default", SentFile(pictures.jpeg(), "\U0001f600" * 255), TRACE)

    (described,) = house.store.described.values()
    size = sum(len(name) + len(value) for name, value in described.metadata.items())
    assert size + len("x-amz-meta-") * len(described.metadata) < 2048
    assert all((name + value).isascii() for name, value in described.metadata.items())


def test_an_image_that_says_nothing_gets_one_job(house: House) -> None:
    data = pictures.jpeg()
    key = ids.input_key("default", ids.image_id(data), "jpg")
    house.store.put("input-images", key, data, "image/jpeg")

    house.work().run()
    (event,) = house.events()
    house.lose()
    house.work().run()

    assert house.events() == [event]
    assert house.job_ids.read(event.job_id, "default").model_id == event.model_id == MODEL


def test_an_object_comes_back_whatever_is_said_of_its_type(house: House) -> None:
    house.upload("a")
    house.lose()
    ((place, described),) = house.store.described.items()
    house.store.described[place] = replace(described, content_type="text/html\r\nx: y")

    house.work().run()

    assert [event.mime_type for event in house.events()] == ["image/jpeg"]


def test_a_job_id_that_is_not_genuine_is_not_believed(house: House) -> None:
    data = pictures.jpeg()
    image = ids.image_id(data)
    forged = ids.JobIds("guessed").reissue("default", image, MODEL, 0.0).job_id
    key = ids.input_key("default", image, "jpg")
    house.store.create("input-images", key, data, "image/jpeg", {"job-id": forged})

    house.work().run()

    assert house.events()[0].job_id != forged


def test_a_missing_job_is_sent_again_from_its_event(house: House) -> None:
    first, second = house.upload("a"), house.upload("a")
    house.fail(first)
    house.commit()

    figures = house.figures()

    assert figures == {"accepted": 2, "failed": 1, "missing": 1, "reEmitted": 1}
    again = house.events()[-1]
    assert (again.job_id, again.redelivered, again.duplicate) == (second.job_id, True, True)


def test_a_backlog_is_not_sent_again(house: House) -> None:
    for number in range(20):
        house.upload(f"{number}")

    assert house.figures() == {"accepted": 20, "inFlight": 20}
    assert not house.work().is_needed()


def test_an_image_younger_than_what_waits_is_left_alone(house: House) -> None:
    house.upload("lost, and stored later than the event that waits")
    house.lose()
    house.store.now = lambda: 1.0
    house.upload("waits")

    assert house.figures() == {"accepted": 1, "inFlight": 1}


def test_an_upload_under_way_is_left_alone(house: House) -> None:
    house.store.now = MemoryStore().now
    house.upload("stored a moment ago")
    house.lose()

    assert house.figures() == {}
    assert house.figures(grace_seconds=0.0) == {"reEmitted": 1}


def test_a_dry_run_sends_nothing(house: House) -> None:
    house.upload("a")
    house.lose()

    figures = house.work(dry_run=True).run()

    assert (figures["found"], figures["reEmitted"], house.events()) == (1, 0, [])


def test_a_second_run_finds_what_the_first_has_sent(house: House) -> None:
    house.upload("a")
    house.lose()
    one, other = house.work().run(), house.work().run()

    assert (one["reEmitted"], other["reEmitted"]) == (1, 0)


def test_a_result_under_another_model_is_one(house: House) -> None:
    job = house.upload("a")
    house.lose()
    house.results.save_many({("default", job.image_id, "older-0123456789ab"): b"{}"})

    assert house.figures() == {}
    assert not house.work().is_needed()


def test_what_is_no_image_is_passed_over(house: House) -> None:
    for key in ("notes.txt", "default/ab/notes.jpg", f"default/00/{'ab' * 32}.jpg"):
        house.store.put("input-images", key, b"", "text/plain")

    assert house.figures() == {}


def test_a_timer_spreads_its_listings(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(20):
        house.complete(house.upload(f"image {number}"))
    house.commit()
    pauses: list[float] = []
    monkeypatch.setattr("imagectl.conservation.time.sleep", pauses.append)

    assert not house.work().is_needed(512.0)

    # A folder of each bucket for each first byte of an id: 256 of them when there are many.
    assert set(pauses) == {1.0}
    assert 20 < len(pauses) <= 2 * 20


def begun_again(house: House, name: str) -> ImageUploaded:
    """Leave what a request leaves that is killed before it has sent the event."""
    job = house.upload(name)
    event = house.events()[-1]
    failure = failures.encode_failure(event, {"code": "a", "detail": "b"}, 1000.0)
    house.results.save_failure(job.tenant, job.job_id, failure)
    house.commit()
    again = event.replayed()
    note = failures.encode_retried(again, {}, 1000.0)
    house.results.replace_failure(job.tenant, job.job_id, note)
    return again


@pytest.mark.parametrize("is_old", [True, False])
def test_a_job_that_was_to_be_tried_anew_is_sent_when_nobody_did(
    house: House, is_old: bool
) -> None:
    """Long after, its first event is in no topic any more."""
    house.complete(house.upload("another"))
    again = begun_again(house, "a")
    if is_old:
        house.lose()
        house.commit()

    assert house.work().is_needed()
    figures = house.figures()

    before = {} if is_old else {"accepted": 2, "completed": 1, "inFlight": 1}
    assert figures == {**before, "reEmitted": 1}
    assert house.events()[-1] == again
    assert "reEmitted" not in house.figures()


def test_a_job_that_is_tried_anew_is_in_flight(house: House) -> None:
    again = begun_again(house, "a")
    house.broker.publish(UPLOADS, again.image_id, again.encode())

    assert house.figures() == {"accepted": 1, "inFlight": 1}


def test_a_job_that_is_being_begun_again_is_left_alone(house: House) -> None:
    begun_again(house, "a")

    assert not house.work(grace_seconds=1e12).is_needed()
    assert house.figures(grace_seconds=1e12) == {"accepted": 1, "inFlight": 1}


@pytest.mark.parametrize("end", ["completed", "failed"])
def test_a_job_that_was_tried_anew_and_has_ended_is_left_alone(house: House, end: str) -> None:
    again = begun_again(house, "a")
    job = house.job_ids.read(again.job_id, "default")
    if end == "completed":
        house.complete(job)
    else:
        failure = failures.encode_failure(again, {"code": "a", "detail": "b"}, 1000.0)
        house.results.save_failure("default", again.job_id, failure)

    assert not house.work().is_needed()
    assert house.figures() == {"accepted": 1, end: 1}


def test_what_stands_at_a_note_and_is_none_is_a_failure(house: House) -> None:
    again = begun_again(house, "a")
    for body in (b"", b"[]", b"{}", b'{"status":"pending"}', b'{"status":"pending","event":{}}'):
        house.store.put(
            "classification-results", ids.failure_key("default", again.job_id), body, "a/b"
        )

        assert house.figures() == {"accepted": 1, "failed": 1}
