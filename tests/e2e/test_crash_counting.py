"""A consumer that dies of an image: each time is an attempt, and no other image is blamed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from minio import Minio

from pipeline import topics
from pipeline.ids import INPUT_BUCKET, input_key
from tests import pictures
from tests.kafka import read_topic
from tests.stack import LocalStack, running_stack, until

ATTEMPTS = 3
FAILURES = 5


@pytest.fixture(scope="module")
def crash_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("crashes")


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory, crash_dir: Path) -> Iterator[LocalStack]:
    """A stack whose consumer can be killed at points, and tries an image three times."""
    settings = {"CRASH_DIR": str(crash_dir), "MAX_ATTEMPTS": str(ATTEMPTS)}
    settings |= {"BREAKER_FAILURES": str(FAILURES), "BREAKER_REST_SECONDS": "10"}
    with running_stack(tmp_path_factory.mktemp("crash-counting"), settings=settings) as running:
        yield running


def _photo(name: str) -> bytes:
    return pictures.with_nonce(pictures.jpeg(), name.encode())


def _letters(stack: LocalStack) -> list[dict[str, object]]:
    return [record.event["data"] for record in read_topic(stack, topics.FAILURES.name)]


def test_an_image_that_the_consumer_dies_of_is_dead_lettered_when_its_budget_is_spent(
    stack: LocalStack, crash_dir: Path
) -> None:
    point = crash_dir / "consumer.answered"
    point.touch()
    job = stack.upload(_photo("deadly")).json()["jobId"]
    for _ in range(ATTEMPTS - 1):
        until(lambda: not point.exists(), 60)
        point.touch()
    until(lambda: not point.exists(), 60)

    (letter,) = until(lambda: _letters(stack) or None, 60)

    assert letter["reason"]["code"] == "deadly"  # type: ignore[index]
    assert letter["attempts"] == ATTEMPTS
    assert letter["originalEvent"]["data"]["jobId"] == job  # type: ignore[index]


def test_images_beside_it_complete(stack: LocalStack, crash_dir: Path) -> None:
    before = len(_letters(stack))
    point = crash_dir / "consumer.answered"
    with stack.frozen("image-process-consumer"):
        jobs = [stack.upload(_photo(f"beside {n}")).json()["jobId"] for n in range(40)]
        point.touch()

    until(lambda: not point.exists(), 60)
    states = [stack.finished(job, 60)["status"] for job in jobs]

    assert states == ["completed"] * len(jobs)
    assert len(_letters(stack)) == before


def test_the_consumer_stops_when_everything_fails_says_so_and_goes_on_by_itself(
    stack: LocalStack,
) -> None:
    before = len(_letters(stack))
    with stack.frozen("image-process-consumer"):
        jobs = [stack.upload(_photo(f"missing {n}")).json() for n in range(FAILURES + 5)]
        taken = _take_away([str(job["imageId"]) for job in jobs], stack)

    reason = until(lambda: _why_stopped(stack))
    in_between = len(_letters(stack))
    for key, data in taken.items():
        stack.store.put(INPUT_BUCKET, key, data, "image/jpeg")
    states = [stack.finished(job["jobId"], 60)["status"] for job in jobs]

    assert "images in a row failed" in reason
    assert in_between - before == FAILURES
    assert sorted(map(str, states)) == ["completed"] * 5 + ["failed"] * FAILURES
    assert until(lambda: _why_stopped(stack) is None)


def _take_away(images: list[str], stack: LocalStack) -> dict[str, bytes]:
    """Remove images from the store; return what they were, by key."""
    taken: dict[str, bytes] = {}
    settings = stack.settings
    client = Minio(
        settings.minio_endpoint,
        access_key=settings.secret("minio-access-key"),
        secret_key=settings.secret("minio-secret-key"),
        secure=False,
    )
    for image in images:
        (key,) = stack.store.keys(INPUT_BUCKET, input_key("default", image, ""))
        taken[key] = stack.store.get(INPUT_BUCKET, key) or b""
        client.remove_object(INPUT_BUCKET, key)
    return taken


def _why_stopped(stack: LocalStack) -> str | None:
    answer = requests.get(f"http://127.0.0.1:{stack.ports['CONSUMER']}/healthz", timeout=10)
    return None if answer.ok else str(answer.json()["status"])
