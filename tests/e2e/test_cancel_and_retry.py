"""A client gives up a job, or has a failed one tried anew, on a system that goes on meanwhile."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import requests

from pipeline import ids
from pipeline.kafka import topics
from tests import pictures
from tests.chaos import evidence
from tests.kafka import events_of
from tests.sending import accepted, answered, asked
from tests.stack import Stack, until


def ask(stack: Stack, job_id: str, what: str, **headers: str) -> requests.Response:
    """Ask for it, again while a busy stack says so."""
    return asked(lambda: once(stack, job_id, what, **headers))[-1]


def once(stack: Stack, job_id: str, what: str, **headers: str) -> requests.Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return stack.request("POST", f"/api/v1/jobs/{job_id}/{what}", headers=named)


def state(stack: Stack, job_id: str) -> str:
    answer = answered(lambda: stack.get(f"/api/v1/jobs/{job_id}"))
    assert answer.status_code == 200, answer.text
    return str(answer.json()["status"])


def test_a_job_that_is_given_up_stays_so_and_the_other_of_its_image_goes_on(stack: Stack) -> None:
    photo = pictures.fresh("given up")
    with stack.frozen("image-process-consumer"):
        given_up, other = (accepted(stack, photo)["jobId"] for _ in range(2))
        answer = ask(stack, given_up, "cancel")
        assert state(stack, given_up) == "cancelled"

    assert (answer.status_code, answer.json()["status"]) == (200, "cancelled")
    assert stack.finished(other)["status"] == "completed"
    until(lambda: evidence.lag(stack) == 0)
    assert state(stack, given_up) == "cancelled"
    assert ask(stack, given_up, "cancel").json() == answer.json()
    assert ask(stack, given_up, "retry").json()["found"] == "cancelled"


def test_who_waits_for_a_job_that_is_given_up_is_told_no_result(stack: Stack) -> None:
    photo, key = pictures.fresh("waited for and given up"), os.urandom(8).hex()

    def send(**headers: str) -> dict[str, object] | None:
        answer = stack.upload(photo, Idempotency_Key=key, **headers)
        return answer.json() if answer.status_code in (200, 202) else None

    with ThreadPoolExecutor(1) as pool:
        with stack.frozen("image-process-consumer"):
            job_id = str(until(send)["jobId"])
            waiting = pool.submit(until, lambda: send(Prefer="wait=30"))
            assert ask(stack, job_id, "cancel").status_code == 200
        told = waiting.result()

    assert (told["jobId"], told["status"]) == (job_id, "accepted")
    assert state(stack, job_id) == "cancelled"


def test_a_job_that_has_ended_is_not_given_up(stack: Stack) -> None:
    job_id = accepted(stack, pictures.fresh("not given up"))["jobId"]
    assert stack.finished(job_id)["status"] == "completed"

    answer = ask(stack, job_id, "cancel")

    assert (answer.status_code, answer.json()["found"]) == (409, "completed")
    assert answer.json()["type"].endswith(":job-finished")
    assert state(stack, job_id) == "completed"


def test_a_failed_job_is_tried_anew_and_its_letter_is_closed(stack: Stack) -> None:
    """Its object is put back in between, as one does that was lost."""
    photo = pictures.fresh("tried anew " + os.urandom(8).hex())
    with stack.frozen("image-process-consumer"):
        job = accepted(stack, photo)
        key = ids.input_key("default", job["imageId"], "jpg")
        stack.store.put("input-images", key, b"other bytes", "image/jpeg")
    assert stack.finished(job["jobId"])["status"] == "failed"
    until(lambda: evidence.lag(stack) == 0)
    stack.store.put("input-images", key, photo, "image/jpeg")

    answers = asked(lambda: once(stack, job["jobId"], "retry"))

    *busy, last = answers
    # What a busy stack gave up half way goes on, and may have ended when it is asked again.
    assert last.status_code == 202 or (busy and last.json()["found"] == "completed"), last.text
    assert last.status_code != 202 or last.json()["jobId"] == job["jobId"]
    until(lambda: state(stack, job["jobId"]) == "completed")
    marks = [
        event
        for event in events_of(stack, topics.FAILURES.name, job["imageId"])
        if event["type"] == "ImageReplayed"
    ]
    assert 1 <= len(marks) <= len(answers)
    again = ask(stack, job["jobId"], "retry")
    assert (again.status_code, again.json()["found"]) == (409, "completed")


def test_nobody_decides_about_the_job_of_another(stack: Stack) -> None:
    job_id = accepted(stack, pictures.fresh("of another"))["jobId"]
    other = stack.api_key_file.with_name("prove-api-key").read_text().strip()

    for what in ("cancel", "retry"):
        assert ask(stack, job_id, what, X_Api_Key=other).status_code == 404
        assert ask(stack, job_id, what, X_Api_Key="wrong").status_code == 401
        got = answered(partial(stack.get, f"/api/v1/jobs/{job_id}/{what}"))
        assert got.status_code == 405
