"""Requests with a name, with several images, and such as are sent again with their key."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import requests

from tests import pictures
from tests.chaos import evidence
from tests.kafka import accepted_events_of
from tests.redis_client import redis_of
from tests.sending import BUSY
from tests.stack import Stack, until

# The request before came to no end that could be noted: its key is free again after a while.
_UNTIL_FREE = (*BUSY, 409)


def send(
    stack: Stack, photos: Sequence[bytes], waits_for: Sequence[int] = _UNTIL_FREE, **headers: str
) -> requests.Response:
    """Upload files in one form, again while a busy stack says so."""

    def ask() -> requests.Response | None:
        answer = once(stack, photos, **headers)
        return None if statuses(answer).intersection(waits_for) else answer

    return until(ask)


def once(stack: Stack, photos: Sequence[bytes], **headers: str) -> requests.Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    files = [("file", (f"{number}.jpg", photo)) for number, photo in enumerate(photos)]
    return stack.request("POST", "/api/v1/images", files=files, headers=named)


def statuses(answer: requests.Response) -> set[int]:
    """Of a request, and of each of its images."""
    images = answer.json().get("images", [])
    return {answer.status_code, *(each["httpStatus"] for each in images)}


def fresh(count: int) -> list[bytes]:
    return [pictures.fresh(f"submitted {os.urandom(8).hex()}") for _ in range(count)]


def jobs_in_kafka(stack: Stack, image_id: str) -> list[str]:
    found = accepted_events_of(stack, image_id)
    return [event["data"]["jobId"] for event in found]


def test_several_files_are_answered_one_by_one_and_each_ends(stack: Stack) -> None:
    good = fresh(2)

    answer = send(stack, [good[0], b"a text", good[1]])

    assert answer.status_code == 207
    told = answer.json()["images"]
    assert [each["httpStatus"] for each in told] == [202, 415, 202]
    assert told[1]["problem"]["traceId"] == answer.headers["X-Trace-Id"]
    for each in (told[0], told[2]):
        assert stack.finished(each["jobId"])["status"] == "completed"


def test_who_prefers_to_wait_is_told_all_results_together(stack: Stack) -> None:
    def completed() -> list[dict[str, Any]] | None:
        answer = send(stack, [*fresh(3), b"a text"], Prefer="wait=30")
        told: list[dict[str, Any]] = answer.json()["images"]
        is_whole = [each["httpStatus"] for each in told] == [200, 200, 200, 415]
        return told if is_whole else None

    for each in until(completed)[:3]:
        assert each["status"] == "completed"
        assert each["result"]["labels"]


def test_more_files_than_may_be_are_refused_before_any_is_accepted(stack: Stack) -> None:
    photos = [b"x"] * 17

    answer = send(stack, photos)

    assert (answer.status_code, answer.json()["found"]) == (400, 17)
    assert answer.json()["allowed"] == "1 to 16"


@pytest.mark.parametrize("count", [1, 3])
def test_a_request_that_is_sent_again_makes_no_other_job(stack: Stack, count: int) -> None:
    def sent() -> tuple[list[bytes], str, requests.Response] | None:
        # What a busy stack gave up half way is repeated already when it is sent again.
        photos, key = fresh(count), os.urandom(8).hex()
        answer = once(stack, photos, Idempotency_Key=f'"{key}"')
        return None if statuses(answer).intersection(BUSY) else (photos, key, answer)

    photos, key, first = until(sent)

    again = send(stack, photos, Idempotency_Key=f'"{key}"')

    assert (again.status_code, again.json()) == (first.status_code, first.json())
    assert "Idempotent-Replayed" not in first.headers
    assert again.headers["Idempotent-Replayed"] == "true"
    for job in first.json().get("images", [first.json()]):
        # More than once where Redis was too busy to tell, but always the same.
        assert set(jobs_in_kafka(stack, job["imageId"])) == {job["jobId"]}
        assert stack.finished(job["jobId"])["status"] == "completed"


def test_without_redis_it_makes_no_other_job_either(stack: Stack) -> None:
    (photo,), key = fresh(1), os.urandom(8).hex()
    first = send(stack, [photo], Idempotency_Key=key)
    with redis_of(stack) as cache:
        cache.flushall()

    again = send(stack, [photo], Idempotency_Key=key)
    with stack.frozen("redis"):
        blind = send(stack, [photo], Idempotency_Key=key)

    assert again.json() == blind.json() == first.json()
    assert set(jobs_in_kafka(stack, first.json()["imageId"])) == {first.json()["jobId"]}
    assert stack.finished(first.json()["jobId"])["status"] == "completed"
    until(lambda: evidence.lag(stack) == 0)


def test_a_key_with_other_bytes_is_422(stack: Stack) -> None:
    photos, key = fresh(2), os.urandom(8).hex()
    send(stack, photos[:1], Idempotency_Key=key)

    for other in (photos[1:], photos):
        answer = send(stack, other, Idempotency_Key=key)
        assert answer.status_code == 422
        assert answer.json()["type"].endswith(":idempotency-key-reused")


def test_of_many_at_once_all_are_the_same_job_or_told_to_come_again(stack: Stack) -> None:
    (photo,), key = fresh(1), os.urandom(8).hex()

    with ThreadPoolExecutor(8) as pool:
        answers = list(
            pool.map(lambda _: send(stack, [photo], BUSY, Idempotency_Key=key), range(8))
        )
    last = send(stack, [photo], Idempotency_Key=key)

    assert {answer.status_code for answer in answers} <= {202, 409}
    jobs = {answer.json()["jobId"] for answer in answers if answer.status_code == 202}
    assert jobs <= {last.json()["jobId"]}
    refused = [answer for answer in answers if answer.status_code == 409]
    assert all(each.json()["type"].endswith(":idempotency-key-in-use") for each in refused)


def test_the_name_of_a_request_leads_through_logs_and_event(stack: Stack) -> None:
    def taken() -> tuple[str, requests.Response] | None:
        # A name of its own each time: each request has another trace.
        name = f"order/{os.urandom(8).hex()}"
        answer = stack.upload(pictures.fresh("named"), X_Request_Id=name)
        return (name, answer) if answer.status_code == 202 else None

    name, sent = until(taken)
    trace = sent.headers["X-Trace-Id"]

    assert sent.headers["X-Request-Id"] == name
    result = stack.finished(sent.json()["jobId"])["result"]
    assert isinstance(result, dict)
    assert result["traceId"] == trace

    def told() -> bool:
        lines = [line for log in stack.logs() for line in log.splitlines() if name.encode() in line]
        from_gateway = any(b'"service":"gateway"' in line for line in lines)
        from_upload = any(sent.json()["jobId"].encode() in line for line in lines)
        return from_gateway and from_upload and all(trace.encode() in line for line in lines)

    until(told)
