"""The same cases on the real MinIO and on the store in memory that stands in for it."""

from __future__ import annotations

import os
import select
import socket
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from pipeline.errors import Refused, Unavailable
from pipeline.storage import administration
from pipeline.storage.object_store import ObjectStore
from tests.fakes import MemoryStore
from tests.nowhere import unanswered
from tests.stack import Stack

BUCKET = "input-images"
TYPE = "application/octet-stream"


@pytest.fixture(params=["fake", "real"])
def store(request: pytest.FixtureRequest, stack: Stack) -> ObjectStore:
    return MemoryStore() if request.param == "fake" else stack.store


@pytest.fixture
def nowhere() -> Iterator[str]:
    """host:port where nobody answers."""
    with unanswered() as address:
        yield address


@pytest.fixture
def key() -> str:
    return f"contracts/{uuid.uuid4()}"


def test_what_is_put_is_read_back(store: ObjectStore, key: str) -> None:
    data = os.urandom(100_000)

    store.put(BUCKET, key, data, TYPE)

    assert store.get(BUCKET, key) == data
    assert store.exists(BUCKET, key)


def test_what_is_not_there_is_none(store: ObjectStore, key: str) -> None:
    assert store.get(BUCKET, key) is None
    assert not store.exists(BUCKET, key)
    assert list(store.keys(BUCKET, key)) == []


@pytest.mark.parametrize("size", [6, 300_000, 5_000_000, 20_000_000])
def test_put_overwrites_and_create_does_not(store: ObjectStore, key: str, size: int) -> None:
    first, second = b"f" * size, b"s" * size

    assert store.create(BUCKET, key, first, TYPE)
    assert not store.create(BUCKET, key, second, TYPE)
    assert store.get(BUCKET, key) == first
    store.put(BUCKET, key, b"third", TYPE)
    assert store.get(BUCKET, key) == b"third"


def test_only_what_was_read_is_replaced(store: ObjectStore, key: str) -> None:
    none = store.tagged(BUCKET, key)
    assert none == (None, "")
    assert store.replace(BUCKET, key, b"first", TYPE, "")
    first, tag = store.tagged(BUCKET, key)
    assert first == b"first"

    assert not store.replace(BUCKET, key, b"late", TYPE, "")
    assert store.replace(BUCKET, key, b"second", TYPE, tag)
    assert not store.replace(BUCKET, key, b"late", TYPE, tag)
    assert not store.replace(BUCKET, f"{key}/gone", b"late", TYPE, tag)
    assert store.get(BUCKET, key) == b"second"


def test_of_many_that_replace_at_once_one_wins(store: ObjectStore, key: str) -> None:
    store.put(BUCKET, key, b"first", TYPE)
    _, tag = store.tagged(BUCKET, key)

    def replace(number: int) -> bool:
        return store.replace(BUCKET, key, b"%d" % number, TYPE, tag)

    with ThreadPoolExecutor(16) as pool:
        won = list(pool.map(replace, range(64)))

    assert sum(won) == 1
    assert store.get(BUCKET, key) == b"%d" % won.index(True)


def test_of_many_that_create_at_once_one_wins(store: ObjectStore, key: str) -> None:
    with ThreadPoolExecutor(16) as pool:
        won = list(pool.map(lambda n: store.create(BUCKET, key, b"%d" % n, TYPE), range(64)))

    assert sum(won) == 1
    assert store.get(BUCKET, key) == b"%d" % won.index(True)


def test_keys_are_listed_by_their_beginning(store: ObjectStore, key: str) -> None:
    for name in ("/a/1", "/a/2", "/b/3"):
        store.put(BUCKET, key + name, b"", TYPE)

    assert list(store.keys(BUCKET, f"{key}/a/")) == [f"{key}/a/1", f"{key}/a/2"]


def test_folders_are_listed_once_each_and_in_the_order_of_their_keys(
    store: ObjectStore, key: str
) -> None:
    for name in ("/a/1", "/a/2", "/a-b/1", "/b/c/3", "/file"):
        store.put(BUCKET, key + name, b"", TYPE)

    assert list(store.folders(BUCKET, f"{key}/")) == [f"{key}/a-b/", f"{key}/a/", f"{key}/b/"]
    assert list(store.folders(BUCKET, f"{key}/a/")) == []


def test_many_are_put_over_what_is_there_and_read_in_the_order_asked(
    store: ObjectStore, key: str
) -> None:
    store.put(BUCKET, f"{key}/1.jpg", b"old", "image/jpeg")
    objects = {f"{key}/{number}.jpg": os.urandom(513 * number) for number in range(12)}

    store.put_many(BUCKET, objects, "image/jpeg")

    names = [*reversed(objects), f"{key}/none"]
    found = store.get_many(BUCKET, names)
    assert found == [*reversed(objects.values()), None]
    described = store.describe(BUCKET, f"{key}/1.jpg")
    assert described
    assert described.content_type == "image/jpeg"
    assert list(store.keys(BUCKET, key)) == sorted(objects)


def test_of_many_those_that_are_there_are_not_created(store: ObjectStore, key: str) -> None:
    store.put(BUCKET, f"{key}/1", b"first", TYPE)

    created = store.create_many(BUCKET, {f"{key}/{n}": b"second" for n in range(3)}, TYPE)

    assert created == {f"{key}/0": True, f"{key}/1": False, f"{key}/2": True}
    assert store.get(BUCKET, f"{key}/1") == b"first"


def test_metadata_come_back_as_they_were_given(store: ObjectStore, key: str) -> None:
    store.create(BUCKET, key, b"", TYPE, {"job-id": "a  b = c/+&", "empty": ""})

    described = store.describe(BUCKET, key)
    assert described
    assert described.metadata["job-id"] == "a  b = c/+&"


def test_a_server_that_closes_between_requests_is_asked_again(stack: Stack, key: str) -> None:
    store = stack.store
    store.put(BUCKET, key, b"data", TYPE)
    for connection in store._connections._idle:
        connection._socket.shutdown(socket.SHUT_RDWR)

    assert store.get_many(BUCKET, [key, key]) == [b"data", b"data"]


def test_a_store_that_is_not_there_is_unavailable(stack: Stack, key: str, nowhere: str) -> None:
    store = ObjectStore(replace(stack.settings, minio_endpoint=nowhere))

    for ask in (store.get, store.exists):
        with pytest.raises(Unavailable, match="MinIO does not answer"):
            ask(BUCKET, key)
    with pytest.raises(Unavailable):
        store.create(BUCKET, key, b"", TYPE)
    with pytest.raises(Unavailable):
        list(store.keys(BUCKET, key))


def test_a_store_that_does_not_answer_in_time_is_asked_once(stack: Stack, key: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        endpoint = f"127.0.0.1:{silent.getsockname()[1]}"
        settings = replace(stack.settings, minio_endpoint=endpoint, store_timeout_seconds=0.1)

        with pytest.raises(Unavailable, match="TimeoutError"):
            ObjectStore(settings).get(BUCKET, key)

        assert select.select([silent], [], [], 60)[0]
        silent.accept()[0].close()
        assert not select.select([silent], [], [], 0)[0]


def test_a_missing_bucket_is_no_missing_object(stack: Stack, key: str) -> None:
    with pytest.raises(Unavailable, match="NoSuchBucket"):
        stack.store.get("no-such-bucket", key)


@pytest.mark.parametrize("key", ["failures/default/../../../x.json", "a/./b", "a" * 1100])
def test_a_key_that_no_store_takes_is_refused_and_not_waited_for(stack: Stack, key: str) -> None:
    with pytest.raises(Refused, match="400"):
        stack.store.create(BUCKET, key, b"data", TYPE)


def test_making_buckets_again_changes_nothing(stack: Stack, key: str) -> None:
    stack.store.put(BUCKET, key, b"data", TYPE)

    administration.apply(stack.settings)

    assert stack.store.get(BUCKET, key) == b"data"
