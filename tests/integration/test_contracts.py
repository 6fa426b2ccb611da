"""The same cases on the real MinIO, Redis and Kafka and on the fakes that stand in for them."""

from __future__ import annotations

import os
import select
import socket
import uuid
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest

from pipeline import topics
from pipeline.broker import Publisher
from pipeline.cache import ResultCache
from pipeline.errors import Unavailable
from pipeline.storage import ObjectStore
from tests.fakes import MemoryCache, MemoryStore, StubBroker
from tests.kafka import read_topic
from tests.stack import LocalStack, free_ports

BUCKET = "input-images"
TYPE = "application/octet-stream"
KINDS = pytest.mark.parametrize("kind", ["fake", "real"])


@pytest.fixture
def make(request: pytest.FixtureRequest, stack: LocalStack) -> Callable[[str, str], Any]:
    """Make the fake or the real one of a part; what is closable is closed."""
    makers: dict[tuple[str, str], Callable[[], Any]] = {
        ("store", "fake"): MemoryStore,
        ("store", "real"): lambda: stack.store,
        ("cache", "fake"): MemoryCache,
        ("cache", "real"): lambda: ResultCache(stack.settings),
        ("broker", "fake"): StubBroker,
        ("broker", "real"): lambda: _closed(request, Publisher(stack.settings)),
    }
    return lambda part, kind: makers[part, kind]()


def _closed(request: pytest.FixtureRequest, publisher: Publisher) -> Publisher:
    request.addfinalizer(publisher.close)
    return publisher


@pytest.fixture
def key() -> str:
    return f"contracts/{uuid.uuid4()}"


@KINDS
def test_what_is_put_is_read_back(make: Any, kind: str, key: str) -> None:
    store, data = make("store", kind), os.urandom(100_000)

    store.put(BUCKET, key, data, TYPE)

    assert store.get(BUCKET, key) == data
    assert store.exists(BUCKET, key)


@KINDS
def test_what_is_not_there_is_none(make: Any, kind: str, key: str) -> None:
    store = make("store", kind)

    assert store.get(BUCKET, key) is None
    assert not store.exists(BUCKET, key)
    assert list(store.keys(BUCKET, key)) == []


@KINDS
def test_put_overwrites_and_create_does_not(make: Any, kind: str, key: str) -> None:
    store = make("store", kind)

    assert store.create(BUCKET, key, b"first", TYPE)
    assert not store.create(BUCKET, key, b"second", TYPE)
    assert store.get(BUCKET, key) == b"first"
    store.put(BUCKET, key, b"third", TYPE)
    assert store.get(BUCKET, key) == b"third"


@KINDS
def test_of_many_that_create_at_once_one_wins(make: Any, kind: str, key: str) -> None:
    store = make("store", kind)

    with ThreadPoolExecutor(16) as pool:
        won = list(pool.map(lambda n: store.create(BUCKET, key, b"%d" % n, TYPE), range(64)))

    assert sum(won) == 1
    assert store.get(BUCKET, key) == b"%d" % won.index(True)


@KINDS
def test_keys_are_listed_by_their_beginning(make: Any, kind: str, key: str) -> None:
    store = make("store", kind)
    for name in ("/a/1", "/a/2", "/b/3"):
        store.put(BUCKET, key + name, b"", TYPE)

    assert list(store.keys(BUCKET, f"{key}/a/")) == [f"{key}/a/1", f"{key}/a/2"]


def test_a_store_that_is_not_there_is_unavailable(stack: LocalStack, key: str) -> None:
    nowhere = f"127.0.0.1:{free_ports(1)[0]}"
    store = ObjectStore(replace(stack.settings, minio_endpoint=nowhere))

    for ask in (store.get, store.exists):
        with pytest.raises(Unavailable, match="MinIO does not answer"):
            ask(BUCKET, key)
    with pytest.raises(Unavailable):
        store.create(BUCKET, key, b"", TYPE)
    with pytest.raises(Unavailable):
        list(store.keys(BUCKET, key))


def test_a_store_that_does_not_answer_in_time_is_asked_once(stack: LocalStack, key: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        endpoint = f"127.0.0.1:{silent.getsockname()[1]}"
        settings = replace(stack.settings, minio_endpoint=endpoint, store_timeout_seconds=0.1)

        with pytest.raises(Unavailable, match="ReadTimeoutError"):
            ObjectStore(settings).get(BUCKET, key)

        assert select.select([silent], [], [], 0)[0]
        silent.accept()[0].close()
        assert not select.select([silent], [], [], 0)[0]


def test_a_missing_bucket_is_no_missing_object(stack: LocalStack, key: str) -> None:
    with pytest.raises(Unavailable, match="NoSuchBucket"):
        stack.store.get("no-such-bucket", key)


def test_making_buckets_again_changes_nothing(stack: LocalStack, key: str) -> None:
    stack.store.put(BUCKET, key, b"data", TYPE)

    stack.store.make_buckets()

    assert stack.store.get(BUCKET, key) == b"data"


@KINDS
def test_a_cached_result_is_read_back(make: Any, kind: str, key: str) -> None:
    cache = make("cache", kind)

    assert cache.get("default", key, "m") is None
    cache.put("default", key, "m", b"result")
    assert cache.get("default", key, "m") == b"result"
    assert cache.get("default", key, "other model") is None
    assert cache.get("other", key, "m") is None


@KINDS
def test_many_results_are_read_in_the_order_asked(make: Any, kind: str, key: str) -> None:
    cache = make("cache", kind)
    cache.put("default", key, "m", b"one")
    cache.put("other", key, "n", b"two")

    keys = [("other", key, "n"), ("default", key, "n"), ("default", key, "m")]

    assert cache.get_many(keys) == [b"two", None, b"one"]
    assert cache.get_many([]) == []


def test_a_redis_that_is_not_there_is_a_miss(stack: LocalStack) -> None:
    nowhere = f"redis://127.0.0.1:{free_ports(1)[0]}/0"
    cache = ResultCache(replace(stack.settings, redis_url=nowhere))

    cache.put("default", "image", "m", b"result")

    assert cache.get("default", "image", "m") is None
    assert not cache.answers()


def test_a_redis_that_failed_is_left_alone_for_a_second(stack: LocalStack) -> None:
    now = [0.0]
    nowhere = f"redis://127.0.0.1:{free_ports(1)[0]}/0"
    cache = ResultCache(replace(stack.settings, redis_url=nowhere), clock=lambda: now[0])
    cache.get("default", "image", "m")
    cache._redis = ResultCache(stack.settings)._redis

    resting = cache.answers()
    now[0] = 1.1

    assert not resting
    assert cache.answers()


@KINDS
def test_what_is_published_is_acknowledged(make: Any, kind: str) -> None:
    broker = make("broker", kind)

    sent = [broker.send(topics.RESULTS.name, "contracts", b"%d" % n) for n in range(100)]

    for each in sent:
        broker.wait(each)


def test_published_events_are_on_the_topic(stack: LocalStack, make: Any, key: str) -> None:
    make("broker", "real").publish(topics.RESULTS.name, key, b"value")

    found = [record.value for record in read_topic(stack, topics.RESULTS.name) if record.key == key]
    assert found == [b"value"]


def test_a_broker_that_is_not_there_is_unavailable(
    stack: LocalStack, request: pytest.FixtureRequest
) -> None:
    nowhere = f"127.0.0.1:{free_ports(1)[0]}"
    settings = replace(stack.settings, kafka_bootstrap_servers=nowhere)
    publisher = _closed(request, Publisher(settings))

    with pytest.raises(Unavailable):
        publisher.publish(topics.RESULTS.name, "key", b"value")


def test_nobody_waits_longer_for_an_acknowledgement_than_is_set(
    stack: LocalStack, request: pytest.FixtureRequest
) -> None:
    class Unacknowledged(Future[None]):
        def result(self, timeout: float | None = None) -> None:
            waited.append(timeout)
            raise TimeoutError

    waited: list[float | None] = []
    publisher = _closed(request, Publisher(stack.settings))

    with pytest.raises(Unavailable, match="in time"):
        publisher.wait(Unacknowledged())

    assert waited == [stack.settings.produce_timeout_seconds]


def test_applying_the_topics_again_changes_nothing(stack: LocalStack, make: Any, key: str) -> None:
    make("broker", "real").publish(topics.RESULTS.name, key, b"value")

    topics.apply(stack.settings.kafka_bootstrap_servers)

    assert key in {record.key for record in read_topic(stack, topics.RESULTS.name)}
