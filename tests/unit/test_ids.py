"""A job id proves acceptance, to its own tenant alone."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline import ids
from pipeline.errors import NotFound

IMAGE = ids.image_id(b"bytes")
NOW = datetime(2026, 1, 2, 3, 4, 5, 678000, tzinfo=UTC)
JOBS = ids.JobIds("signing key")


def test_an_image_is_named_by_its_sha256() -> None:
    assert ids.image_id(b"") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


def test_a_job_id_tells_what_was_accepted() -> None:
    job = JOBS.read(JOBS.issue("default", IMAGE, "mobilenet_v2-1234", NOW), "default")

    assert (job.image_id, job.model_id, job.accepted_at) == (IMAGE, "mobilenet_v2-1234", NOW)


def test_two_submissions_of_one_image_are_two_jobs() -> None:
    assert JOBS.issue("default", IMAGE, "m", NOW) != JOBS.issue("default", IMAGE, "m", NOW)


def test_another_tenant_does_not_find_the_job() -> None:
    job_id = JOBS.issue("default", IMAGE, "m", NOW)

    with pytest.raises(NotFound):
        JOBS.read(job_id, "other")


def test_another_key_does_not_open_the_job() -> None:
    job_id = ids.JobIds("another key").issue("default", IMAGE, "m", NOW)

    with pytest.raises(NotFound):
        JOBS.read(job_id, "default")


def test_every_changed_character_makes_it_a_forgery() -> None:
    job_id = JOBS.issue("default", IMAGE, "m", NOW)

    for position, letter in enumerate(job_id):
        forged = job_id[:position] + ("A" if letter != "A" else "B") + job_id[position + 1 :]
        with pytest.raises(NotFound):
            JOBS.read(forged, "default")


@given(st.text())
def test_no_text_is_a_job_by_chance(text: str) -> None:
    with pytest.raises(NotFound):
        JOBS.read(text, "default")


def test_object_names_hold_nothing_a_client_sent() -> None:
    assert ids.input_key("default", IMAGE, "jpg") == f"default/{IMAGE[:2]}/{IMAGE}.jpg"
    assert ids.processed_key("default", IMAGE, "p") == f"default/{IMAGE[:2]}/{IMAGE}.p.jpg"
    assert ids.result_key("default", IMAGE, "m") == f"default/{IMAGE[:2]}/{IMAGE}/m.json"
    assert ids.failure_key("default", "j") == "failures/default/j.json"


def test_an_id_of_an_older_key_is_valid_and_the_first_key_signs() -> None:
    keys = ["old"]
    jobs = ids.JobIds(lambda: tuple(keys))
    before = jobs.issue("default", IMAGE, "m-1", NOW)

    keys[:] = ["old", "new"]
    during = jobs.issue("default", IMAGE, "m-1", NOW)
    keys[:] = ["new", "old"]
    after = jobs.issue("default", IMAGE, "m-1", NOW)

    assert [jobs.read(each, "default").job_id for each in (before, during, after)]
    assert ids.JobIds("old").read(during, "default").image_id == IMAGE
    with pytest.raises(NotFound):
        ids.JobIds("old").read(after, "default")
