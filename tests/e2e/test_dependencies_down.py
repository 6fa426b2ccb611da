"""A part that does not answer: no false acceptance, an early 503, and nothing lost."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from pipeline import topics
from tests.chaos import evidence
from tests.kafka import count_events
from tests.pictures import fresh
from tests.stack import Stack, until

LONGEST_ANSWER_SECONDS = 10.0
CLIENTS, AFTER_A_KILL = 4, 5


# Every part that may be killed; `make chaos` kills the autoscaler too.
PARTS = (
    "image-upload", "image-classifier", "image-results", "image-process-consumer", "reconciler",
    "kafka", "minio", "redis", "provider", "nginx",
)  # fmt: skip


def accepted(stack: Stack, nonce: str, seconds: float = 60.0) -> str:
    """Upload until it is taken; the job."""

    def upload() -> str | None:
        try:
            response = stack.upload(fresh(nonce))
        except requests.ConnectionError:
            return None  # the gateway was killed a moment ago
        return response.json()["jobId"] if response.status_code == 202 else None

    return until(upload, seconds)


@pytest.mark.parametrize("part", ["minio", "kafka"])
def test_without_store_or_broker_an_upload_is_503_and_not_accepted(stack: Stack, part: str) -> None:
    with stack.frozen(part):
        started = time.monotonic()
        response = stack.upload(fresh(f"{part} is down"))
        seconds = time.monotonic() - started

    assert response.status_code == 503, response.text
    assert response.headers["Content-Type"] == "application/problem+json"
    assert int(response.headers["Retry-After"]) >= 1
    assert seconds < LONGEST_ANSWER_SECONDS


@pytest.mark.parametrize("part", ["minio", "kafka"])
def test_it_accepts_again_when_the_part_is_back(stack: Stack, part: str) -> None:
    with stack.frozen(part):
        stack.upload(fresh(f"{part} will be back"))

    job_id = accepted(stack, f"{part} is back", 30)
    assert stack.finished(job_id, 60)["status"] == "completed"


def test_no_log_holds_a_signed_url(stack: Stack) -> None:
    with stack.frozen("minio"):
        stack.upload(fresh("a signed URL"))
        stack.get(f"/api/v1/images/{'0' * 64}")

    logs = list(stack.logs())
    assert any(logs)
    assert not any(b"X-Amz-Signature" in log for log in logs)


def test_readiness_says_which_part_is_missing(stack: Stack) -> None:
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


def test_without_redis_nothing_fails(stack: Stack) -> None:
    with stack.frozen("redis"):
        response = stack.upload(fresh("without redis"), Prefer="wait=20")

    assert response.status_code == 200, response.text
    assert response.json()["status"] == "completed"


def test_a_backlog_larger_than_the_consumer_reads_ahead_is_worked_off(stack: Stack) -> None:
    until(lambda: evidence.lag(stack) == 0, 60)
    results, retries = (count_events(stack, it.name) for it in (topics.RESULTS, topics.RETRY))
    with stack.frozen("image-process-consumer"):
        statuses = [stack.upload(fresh(f"waiting {n}")).status_code for n in range(600)]

    assert statuses == [202] * 600
    evidence.drain(stack)
    assert count_events(stack, topics.RESULTS.name) >= results + 600
    # A consumer that was away costs no attempt.
    assert count_events(stack, topics.RETRY.name) == retries


@pytest.mark.parametrize("name", PARTS)
def test_what_was_accepted_is_completed_after_a_kill(stack: Stack, name: str) -> None:
    killed, jobs = threading.Event(), list[str]()

    def send(client: int) -> None:
        """Upload until the part is killed, and some more."""
        left = AFTER_A_KILL
        while left:
            left -= killed.is_set()
            jobs.append(accepted(stack, f"killing {name} {client} {len(jobs)}", 90))

    with ThreadPoolExecutor(CLIENTS) as clients:
        sending = [clients.submit(send, client) for client in range(CLIENTS)]
        try:
            until(lambda: len(jobs) >= 10, 60)
            until(lambda: stack.kill(name))
        finally:
            killed.set()
    for each in sending:
        each.result()

    states = [stack.finished(job, 90)["status"] for job in jobs]

    assert states == ["completed"] * len(jobs)
