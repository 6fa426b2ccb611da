"""A part that does not answer: no false acceptance, an early 503, and nothing lost."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from pipeline.kafka import topics
from tests.chaos import evidence
from tests.kafka import count_events
from tests.pictures import fresh
from tests.sending import PATIENT, accepted
from tests.stack import Stack, until

# It gives up after 1.5 s, the rest is a busy machine's: without that it would wait 60.
LONGEST_ANSWER_SECONDS = 30.0
CLIENTS, AFTER_A_KILL = 4, 5

# Every part that may be killed; `make chaos` kills the autoscaler too.
PARTS = (
    "image-upload", "image-classifier", "image-results", "image-process-consumer", "reconciler",
    "kafka", "minio", "redis", "provider", "nginx",
)  # fmt: skip


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

    job = accepted(stack, fresh(f"{part} is back"))
    assert stack.finished(job["jobId"])["status"] == "completed"


def test_no_log_holds_a_signed_url(stack: Stack) -> None:
    with stack.frozen("minio"):
        answers = [
            stack.upload(fresh("a signed URL")),
            stack.get(f"/api/v1/images/{'0' * 64}"),
        ]

    traces = [answer.headers["X-Trace-Id"].encode() for answer in answers]
    logs = until(lambda: _logs_that_name(stack, traces))
    assert not any(b"X-Amz-Signature" in log for log in logs)


def _logs_that_name(stack: Stack, traces: list[bytes]) -> list[bytes] | None:
    """All logs, when the requests are in them: the gateway writes its line after its answer."""
    logs = list(stack.logs())
    return logs if all(any(trace in log for log in logs) for trace in traces) else None


def test_readiness_says_which_part_is_missing(stack: Stack) -> None:
    until(lambda: stack.get("/readyz").status_code == 200)

    with stack.frozen("minio"):
        until(lambda: _names_minio_and_not_kafka(stack))

    until(lambda: stack.get("/readyz").status_code == 200)


def _names_minio_and_not_kafka(stack: Stack) -> bool:
    response = stack.get("/readyz")
    # On a busy machine Kafka may be late too, or the gateway answers, which knows of no parts.
    parts = response.json().get("parts", {}) if response.status_code == 503 else {}
    return parts.get("minio", "ready") != "ready" and parts.get("kafka") == "ready"


def test_without_redis_nothing_fails(stack: Stack) -> None:
    until(lambda: evidence.lag(stack) == 0)  # the image is not to wait for others

    with stack.frozen("redis"):
        response = stack.upload(fresh("without redis"), Prefer="wait=30")

    assert response.status_code == 200, response.text
    assert response.json()["status"] == "completed"


def test_a_backlog_larger_than_the_consumer_reads_ahead_is_worked_off(stack: Stack) -> None:
    until(lambda: evidence.lag(stack) == 0)
    results, retries = (count_events(stack, it.name) for it in (topics.RESULTS, topics.RETRY))

    def upload(number: int) -> int:
        return stack.upload(fresh(f"waiting {number}")).status_code

    # On a cluster a replica that is scaled away may cost the images of a call an attempt.
    with stack.scaled_by_nobody():
        with (
            stack.given("image-upload", **PATIENT),
            stack.frozen("image-process-consumer"),
            ThreadPoolExecutor(CLIENTS) as clients,
        ):
            statuses = list(clients.map(upload, range(600)))
        evidence.drain(stack, 600)

    assert statuses == [202] * 600
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
            job = accepted(stack, fresh(f"killing {name} {client} {len(jobs)}"))
            jobs.append(job["jobId"])

    with ThreadPoolExecutor(CLIENTS) as clients:
        sending = [clients.submit(send, client) for client in range(CLIENTS)]
        try:
            until(lambda: len(jobs) >= 10, 180)
            until(lambda: stack.kill(name))
        finally:
            killed.set()
    for each in sending:
        each.result()

    states = [stack.finished(job, 180)["status"] for job in jobs]

    assert states == ["completed"] * len(jobs)
