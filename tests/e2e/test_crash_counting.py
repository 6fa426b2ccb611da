"""A consumer that dies of an image: each time is an attempt, and no other image is blamed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from pipeline.ids import INPUT_BUCKET, input_key
from pipeline.kafka import topics
from tests.chaos import buckets, evidence
from tests.kafka import count_events, events_of
from tests.pictures import fresh
from tests.sending import PATIENT, accepted
from tests.stack import Stack, until
from tests.stacks import SHARED, own_stack

ATTEMPTS = 3
FAILURES = 5
CONSUMER = "image-process-consumer"


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A stack whose consumer can be killed at points, and tries an image three times."""
    settings = {"CRASH_DIR": f"{SHARED}/crashes", "MAX_ATTEMPTS": str(ATTEMPTS)}
    # Long enough to look on while nothing is tried.
    settings |= {"BREAKER_FAILURES": str(FAILURES), "BREAKER_REST_SECONDS": "30"}
    with own_stack(tmp_path_factory.mktemp("crash-counting"), **settings) as running:
        running.give("image-upload", **PATIENT)
        yield running


@pytest.fixture(scope="module")
def crash_dir(stack: Stack) -> Path:
    """Where points are armed; the consumer takes them away."""
    folder = stack.shared / "crashes"
    folder.mkdir()
    folder.chmod(0o777)
    return folder


def _letters(stack: Stack) -> int:
    return count_events(stack, topics.FAILURES.name)


def test_an_image_that_the_consumer_dies_of_is_dead_lettered_when_its_budget_is_spent(
    stack: Stack, crash_dir: Path
) -> None:
    point = crash_dir / "consumer.answered"
    point.write_text(str(ATTEMPTS))
    point.chmod(0o666)
    job = accepted(stack, fresh("deadly"))
    until(lambda: not point.exists())

    (letter,) = until(lambda: events_of(stack, topics.FAILURES.name, job["imageId"]) or None)

    assert letter["data"]["reason"]["code"] == "deadly"
    assert letter["data"]["attempts"] == ATTEMPTS
    assert letter["data"]["originalEvent"]["data"]["jobId"] == job["jobId"]


def test_images_beside_it_complete(stack: Stack, crash_dir: Path) -> None:
    before = _letters(stack)
    point = crash_dir / "consumer.answered"
    with stack.frozen(CONSUMER):
        jobs = [accepted(stack, fresh(f"beside {n}"))["jobId"] for n in range(40)]
        point.touch()

    until(lambda: not point.exists())
    states = [stack.finished(job)["status"] for job in jobs]

    assert states == ["completed"] * len(jobs)
    assert _letters(stack) == before


def test_the_consumer_stops_when_everything_fails_says_so_and_goes_on_by_itself(
    stack: Stack,
) -> None:
    # An image that its predecessor did not commit is a success in between.
    until(lambda: evidence.lag(stack) == 0)
    before = _letters(stack)
    with stack.frozen(CONSUMER):
        jobs = [accepted(stack, fresh(f"missing {n}")) for n in range(FAILURES + 5)]
        taken = _take_away([str(job["imageId"]) for job in jobs], stack)

    until(lambda: "images in a row failed" in _why_stopped(stack))
    until(lambda: _letters(stack) >= before + FAILURES)
    with stack.frozen(CONSUMER):  # else it would try one, if its rest is over too soon
        in_between = _letters(stack)
        for key, data in taken.items():
            stack.store.put(INPUT_BUCKET, key, data, "image/jpeg")
    states = [stack.finished(job["jobId"])["status"] for job in jobs]

    assert in_between - before == FAILURES
    assert sorted(map(str, states)) == ["completed"] * 5 + ["failed"] * FAILURES
    until(lambda: not _why_stopped(stack))


def _take_away(images: list[str], stack: Stack) -> dict[str, bytes]:
    """Remove images from the store; return what they were, by key."""
    taken: dict[str, bytes] = {}
    for image in images:
        (key,) = stack.store.keys(INPUT_BUCKET, input_key("default", image, ""))
        taken[key] = stack.store.get(INPUT_BUCKET, key) or b""
        buckets.client(stack).remove_object(INPUT_BUCKET, key)
    return taken


def _why_stopped(stack: Stack) -> str:
    """What the consumer says of its health; empty when it is well."""
    answer = requests.get(f"{stack.consumer_url}/healthz", timeout=60)
    return "" if answer.ok else str(answer.json()["status"])
