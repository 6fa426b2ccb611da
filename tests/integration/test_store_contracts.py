"""What the store says beside the bytes; the same cases on MinIO and on the fake."""

from __future__ import annotations

import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.fakes import MemoryStore
from tests.stack import LocalStack

BUCKET = "input-images"
TYPE = "application/octet-stream"


@pytest.fixture(params=["fake", "real"])
def store(request: pytest.FixtureRequest, stack: LocalStack) -> Any:
    return MemoryStore() if request.param == "fake" else stack.store


@pytest.fixture
def key() -> str:
    return f"contracts/{uuid.uuid4()}"


def test_keys_are_listed_in_the_order_of_their_bytes(store: Any, key: str) -> None:
    names = [f"{key}{name}" for name in ("-2/a", ".x", "/a/1", "/a-b/1", "/b", "/a b&<é", "0/a")]
    for name in names:
        store.put(BUCKET, name, b"", TYPE)

    assert list(store.keys(BUCKET, key)) == sorted(names)


def test_a_listing_of_many_pages_is_whole(stack: LocalStack, key: str) -> None:
    names = [f"{key}/{number:04d}" for number in range(1100)]
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda name: stack.store.put(BUCKET, name, b"", TYPE), names))

    assert list(stack.store.keys(BUCKET, key)) == names


def test_an_object_tells_what_it_was_created_with(store: Any, key: str) -> None:
    metadata = {"job-id": "AQ_-9", "empty": "", "name": "a=/+&% b"}
    before = time.time()

    store.create(BUCKET, key, b"data", TYPE, metadata)
    store.create(BUCKET, key, b"other", TYPE, {"job-id": "later"})

    described = store.describe(BUCKET, key)
    assert (described.size, described.content_type) == (4, TYPE)
    assert {**metadata, **described.metadata} == metadata
    assert described.metadata["job-id"] == "AQ_-9"
    (listed,) = store.listed(BUCKET, key)
    assert abs(listed.stored_at - before) < 60
    assert abs(described.stored_at - before) < 60
    assert store.describe(BUCKET, f"{key}/none") is None
