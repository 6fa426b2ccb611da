"""A backlog, and a store without room, as processes and a disk show them."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from pipeline import ids
from pipeline.kafka import topics
from tests.disk import SmallDisk, small_disk
from tests.kafka import count_accepted, count_events
from tests.local_stack import LocalStack, running_stack
from tests.memory import resident_bytes
from tests.pictures import fresh
from tests.sending import PATIENT
from tests.stack import until

CONSUMER = "image-process-consumer"
# What a process keeps for good it has after some hundred requests; one that kept 1,000 photos and
# events more would grow by more than this.
WARM_UP, MORE = 200, 1000
LARGEST_GROWTH_BYTES = 15_000_000
# Go's and Java's heaps fill up to a size of their own first. Measured: 340 and 210 MB from 2,000
# images on, and no more at 6,000.
LARGEST_STORE_BYTES = {"minio": 600_000_000, "kafka": 400_000_000}

pytestmark = pytest.mark.timeout(1200)


@pytest.fixture(scope="module")
def disk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SmallDisk]:
    """Where MinIO of this module's stack keeps its objects."""
    folder = tmp_path_factory.mktemp("small-store") / "state" / "data" / "minio"
    with small_disk(folder, kilobytes=128 * 1024) as made:
        yield made


@pytest.fixture(scope="module")
def stack(disk: SmallDisk) -> Iterator[LocalStack]:
    """A stack for this module alone: its disk is small, and its processes are new."""
    with running_stack(disk.folder.parents[1]) as running:
        running.give("image-upload", **PATIENT)
        yield running


def input_keys(stack: LocalStack) -> set[str]:
    return set(stack.store.keys(ids.INPUT_BUCKET, ""))


def test_memory_does_not_grow_with_the_backlog(stack: LocalStack) -> None:
    results = count_events(stack, topics.RESULTS.name)

    def upload(number: int) -> int:
        return stack.upload(fresh(f"waiting {number}")).status_code

    with ThreadPoolExecutor(8) as clients, stack.frozen(CONSUMER):
        statuses = list(clients.map(upload, range(WARM_UP)))
        before = resident_bytes(stack.state_dir)
        statuses += clients.map(upload, range(WARM_UP, WARM_UP + MORE))
        after = resident_bytes(stack.state_dir)
    all_of_them = results + WARM_UP + MORE
    until(lambda: count_events(stack, topics.RESULTS.name) >= all_of_them, 600)
    drained = resident_bytes(stack.state_dir)

    assert set(statuses) == {202}
    for then in (after, drained):
        assert all(then[name] < largest for name, largest in LARGEST_STORE_BYTES.items())
        ours = then.keys() - LARGEST_STORE_BYTES.keys()
        grown = {name: then[name] - before[name] for name in ours}
        assert {name: by for name, by in grown.items() if by > LARGEST_GROWTH_BYTES} == {}


def test_without_room_in_the_store_an_upload_is_503_and_leaves_nothing(
    stack: LocalStack, disk: SmallDisk
) -> None:
    keys, events = input_keys(stack), count_accepted(stack)

    with disk.filled():
        answers = [stack.upload(fresh(f"no room {number}")) for number in range(10)]
        until(disk.is_full)

    def accepted() -> str | None:
        response = stack.upload(fresh("room in the store"))
        return response.json()["jobId"] if response.status_code == 202 else None

    assert [each.status_code for each in answers] == [503] * 10
    assert all(int(each.headers["Retry-After"]) >= 1 for each in answers)
    assert input_keys(stack) == keys
    assert count_accepted(stack) == events
    assert stack.finished(until(accepted))["status"] == "completed"
