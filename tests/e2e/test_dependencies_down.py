"""A part that does not answer: no false acceptance, an early 503, and nothing lost."""

from __future__ import annotations

import os
import signal
import time

import pytest

from pipeline import topics
from tests import pictures
from tests.kafka import count_events
from tests.stack import LocalStack, until

LONGEST_ANSWER_SECONDS = 10.0


def photo(nonce: str) -> bytes:
    return pictures.with_nonce(pictures.jpeg(), nonce.encode())


@pytest.mark.parametrize("part", ["minio", "kafka"])
def test_without_store_or_broker_an_upload_is_503_and_not_accepted(
    stack: LocalStack, part: str
) -> None:
    with stack.frozen(part):
        started = time.monotonic()
        response = stack.upload(photo(f"{part} is down"))
        seconds = time.monotonic() - started

    assert response.status_code == 503, response.text
    assert response.headers["Content-Type"] == "application/problem+json"
    assert int(response.headers["Retry-After"]) >= 1
    assert seconds < LONGEST_ANSWER_SECONDS


@pytest.mark.parametrize("part", ["minio", "kafka"])
def test_it_accepts_again_when_the_part_is_back(stack: LocalStack, part: str) -> None:
    with stack.frozen(part):
        stack.upload(photo(f"{part} will be back"))

    def accepted() -> str | None:
        response = stack.upload(photo(f"{part} is back"))
        return response.json()["jobId"] if response.status_code == 202 else None

    job_id = until(accepted, 30)
    assert stack.finished(job_id, 60)["status"] == "completed"


def test_no_log_holds_a_signed_url(stack: LocalStack) -> None:
    with stack.frozen("minio"):
        stack.upload(photo("a signed URL"))
        stack.get(f"/api/v1/images/{'0' * 64}")

    logs = [path.read_bytes() for path in (stack.state_dir / "logs").glob("*.log")]
    assert logs
    assert not any(b"X-Amz-Signature" in log for log in logs)


def test_readiness_says_which_part_is_missing(stack: LocalStack) -> None:
    assert until(lambda: stack.get("/readyz").status_code == 200, 30)

    with stack.frozen("minio"):
        parts = until(
            lambda: (
                response.json()["parts"]
                if (response := stack.get("/readyz")).status_code == 503
                else None
            ),
            30,
        )

    assert parts["minio"] != "ready"
    assert parts["kafka"] == "ready"
    assert until(lambda: stack.get("/readyz").status_code == 200, 30)


def test_without_redis_nothing_fails(stack: LocalStack) -> None:
    with stack.frozen("redis"):
        response = stack.upload(photo("without redis"), Prefer="wait=20")

    assert response.status_code == 200, response.text
    assert response.json()["status"] == "completed"


def test_a_backlog_larger_than_the_consumer_reads_ahead_is_worked_off(stack: LocalStack) -> None:
    before = [count_events(stack, topic.name) for topic in (topics.RESULTS, topics.RETRY)]
    with stack.frozen("image-process-consumer"):
        accepted = [stack.upload(photo(f"waiting {n}")).status_code for n in range(600)]

    assert accepted == [202] * 600
    results, retries = before
    until(lambda: count_events(stack, topics.RESULTS.name) >= results + 600 or None, 120)
    # A consumer that was away costs no attempt.
    assert count_events(stack, topics.RETRY.name) == retries


@pytest.mark.parametrize("name", ["image-classifier", "image-process-consumer", "kafka", "minio"])
def test_what_was_accepted_is_completed_after_a_kill(stack: LocalStack, name: str) -> None:
    def accepted(number: int) -> str | None:
        response = stack.upload(photo(f"killing {name} {number}"))
        return response.json()["jobId"] if response.status_code == 202 else None

    jobs = []
    for number in range(20):
        jobs.append(until(lambda number=number: accepted(number), 60))  # type: ignore[misc]
        if number == 9:
            os.kill(stack.pid(name), signal.SIGKILL)

    states = [stack.finished(job, 90)["status"] for job in jobs]

    assert states == ["completed"] * len(jobs)
