"""More uploads than can be taken: refused at once and whole, taken again when there is room."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import requests

from pipeline import ids
from pipeline.errors import Unavailable
from pipeline.kafka.backlog import BacklogProbe
from tests.kafka import count_accepted
from tests.pictures import fresh
from tests.sending import PATIENT, accepted
from tests.stack import Stack, until

CONSUMER = "image-process-consumer"
LIMIT = 50


@pytest.fixture(scope="module", autouse=True)
def limited(stack: Stack, quiet: None) -> Iterator[None]:
    """Uploads have a small limit, and begin with nothing that waits."""
    with stack.given("image-upload", MAX_BACKLOG_IMAGES=str(LIMIT), **PATIENT):
        yield


def waiting(probe: BacklogProbe) -> int | None:
    """How much waits; None when Kafka does not say it."""
    try:
        return probe.read().waiting
    except Unavailable:
        return None


def test_beyond_the_backlog_uploads_are_503_and_leave_nothing(stack: Stack) -> None:
    job = accepted(stack, fresh("the first under a limit"))
    assert stack.finished(job["jobId"])["status"] == "completed"

    answers: dict[bytes, requests.Response] = {}
    with stack.frozen(CONSUMER):
        for number in range(3 * LIMIT):
            data = fresh(f"beyond {number}")
            answers[data] = stack.upload(data)
        keys = set(stack.store.keys(ids.INPUT_BUCKET, ""))
        events = count_accepted(stack)
        refused_again = [stack.upload(data).status_code for data in list(answers)[-5:]]
        assert count_accepted(stack) == events

    taken = {data: each for data, each in answers.items() if each.status_code == 202}
    refused = {data: each for data, each in answers.items() if data not in taken}
    # The consumer may have been frozen before its commit of the first one.
    assert LIMIT - 1 <= len(taken) <= LIMIT
    assert refused_again == [503] * 5
    for data, answer in refused.items():
        body = answer.json()
        assert answer.status_code == 503
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert body["type"].endswith("backlog-full")
        assert body["found"] >= body["allowed"] == LIMIT
        assert 1 <= int(answer.headers["Retry-After"]) <= 60
        assert ids.input_key("default", ids.image_id(data), "jpg") not in keys
    ends = [stack.finished(each.json()["jobId"])["status"] for each in taken.values()]
    assert ends == ["completed"] * len(taken)


def test_uploads_are_taken_again_when_the_backlog_is_below(stack: Stack) -> None:
    job = accepted(stack, fresh("room again"))

    assert stack.finished(job["jobId"])["status"] == "completed"


def test_the_backlog_is_known_again_after_kafka_was_killed(stack: Stack) -> None:
    probe = BacklogProbe(stack.settings)
    until(lambda: waiting(probe) == 0)

    with stack.frozen("kafka"):  # killed, it may be back before anybody has asked
        until(lambda: waiting(probe) is None)
    killed = stack.kill("kafka")
    assert killed
    until(lambda: stack.pids("kafka") not in ([], [killed]))
    # The consumer is back, too: what it has yet to commit would be counted.
    until(stack.is_sound, 180)
    until(lambda: waiting(probe) == 0)
    with stack.frozen(CONSUMER):
        job = accepted(stack, fresh("Kafka is back"))
        seen = until(lambda: waiting(probe) or None)

    assert seen == 1
    assert stack.finished(job["jobId"])["status"] == "completed"
