"""More uploads than can be taken: refused at once and whole, taken again when there is room."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from pipeline import ids, topics
from pipeline.backlog import BacklogProbe
from pipeline.errors import Unavailable
from tests import pictures
from tests.disk import SmallDisk, small_disk
from tests.kafka import count_events
from tests.memory import resident_bytes
from tests.stack import LocalStack, running_stack, until

CONSUMER = "image-process-consumer"
LIMIT = 50
# What a process keeps for good it has after some hundred requests; one that kept 1,000 photos and
# events more would grow by more than this.
WARM_UP, MORE = 200, 1000
LARGEST_GROWTH_BYTES = 15_000_000
# MinIO fills its pools first (measured: 340 MB from 2,000 objects on, and no more at 6,000).
LARGEST_STORE_BYTES = 600_000_000


@pytest.fixture(scope="module")
def disk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SmallDisk]:
    """Where MinIO of this module's stack keeps its objects."""
    folder = tmp_path_factory.mktemp("backpressure") / "state" / "data" / "minio"
    with small_disk(folder, kilobytes=128 * 1024) as made:
        yield made


@pytest.fixture(scope="module")
def stack(disk: SmallDisk) -> Iterator[LocalStack]:
    """A stack for this module alone: its limits are small."""
    with running_stack(disk.folder.parents[1]) as running:
        yield running


def photo(nonce: str) -> bytes:
    return pictures.with_nonce(pictures.jpeg(), nonce.encode())


def input_keys(stack: LocalStack) -> set[str]:
    return set(stack.store.keys(ids.INPUT_BUCKET, ""))


def known(probe: BacklogProbe) -> int | None:
    """What waits; None while Kafka does not say it, or nothing does."""
    try:
        return probe.read().waiting or None
    except Unavailable:
        return None


def accepted(stack: LocalStack, nonce: str) -> str:
    """Upload until it is taken; the job."""

    def upload() -> str | None:
        response = stack.upload(photo(nonce))
        return response.json()["jobId"] if response.status_code == 202 else None

    return until(upload, 60)


def test_memory_does_not_grow_with_the_backlog(stack: LocalStack) -> None:
    def upload(number: int) -> int:
        return stack.upload(photo(f"waiting {number}")).status_code

    with ThreadPoolExecutor(8) as clients, stack.frozen(CONSUMER):
        statuses = list(clients.map(upload, range(WARM_UP)))
        before = resident_bytes(stack.state_dir)
        statuses += clients.map(upload, range(WARM_UP, WARM_UP + MORE))
        after = resident_bytes(stack.state_dir)
    until(lambda: count_events(stack, topics.RESULTS.name) >= WARM_UP + MORE or None, 120)
    drained = resident_bytes(stack.state_dir)

    assert set(statuses) == {202}
    for then in (after, drained):
        assert then.pop("minio") < LARGEST_STORE_BYTES
        grown = {name: held - before[name] for name, held in then.items()}
        assert {name: by for name, by in grown.items() if by > LARGEST_GROWTH_BYTES} == {}


def test_beyond_the_backlog_uploads_are_503_and_leave_nothing(stack: LocalStack) -> None:
    stack.give("image-upload", MAX_BACKLOG_IMAGES=str(LIMIT))
    job = accepted(stack, "the first under a limit")
    assert stack.finished(job)["status"] == "completed"

    answers: dict[bytes, requests.Response] = {}
    with stack.frozen(CONSUMER):
        for number in range(3 * LIMIT):
            data = photo(f"beyond {number}")
            answers[data] = stack.upload(data)
        keys = input_keys(stack)
        events = count_events(stack, topics.UPLOADS.name)
        refused_again = [stack.upload(data).status_code for data in list(answers)[-5:]]
        assert count_events(stack, topics.UPLOADS.name) == events

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
    ends = [stack.finished(each.json()["jobId"], 60)["status"] for each in taken.values()]
    assert ends == ["completed"] * len(taken)


def test_uploads_are_taken_again_when_the_backlog_is_below(stack: LocalStack) -> None:
    job = accepted(stack, "room again")

    assert stack.finished(job)["status"] == "completed"


def test_the_backlog_is_known_again_after_kafka_was_killed(stack: LocalStack) -> None:
    probe = BacklogProbe(stack.settings)
    until(lambda: probe.read().waiting == 0)

    os.kill(stack.pid("kafka"), signal.SIGKILL)
    with pytest.raises(Unavailable):
        probe.read()
    with stack.frozen(CONSUMER):
        job = accepted(stack, "Kafka is back")
        waiting = until(lambda: known(probe))

    assert waiting == 1
    assert stack.finished(job, 60)["status"] == "completed"


def test_without_room_in_the_store_an_upload_is_503_and_leaves_nothing(
    stack: LocalStack, disk: SmallDisk
) -> None:
    keys, events = input_keys(stack), count_events(stack, topics.UPLOADS.name)

    disk.fill()
    answers = [stack.upload(photo(f"no room {number}")) for number in range(10)]
    assert disk.is_full()
    disk.make_room()

    assert [each.status_code for each in answers] == [503] * 10
    assert all(int(each.headers["Retry-After"]) >= 1 for each in answers)
    assert input_keys(stack) == keys
    assert count_events(stack, topics.UPLOADS.name) == events
    assert stack.finished(accepted(stack, "room in the store"), 60)["status"] == "completed"
