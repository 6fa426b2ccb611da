"""The same cases on the real Redis and Kafka and on the fakes that stand in for them."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import replace
from typing import Any

import pytest

from pipeline.errors import Unavailable
from pipeline.kafka import administration, topics
from pipeline.kafka.publisher import Publisher, Written
from pipeline.settings import Settings
from pipeline.storage.cache import ResultCache
from pipeline.storage.marks import Marks
from tests.fakes import MemoryCache, MemoryMarks, StubBroker
from tests.kafka import read_topic
from tests.nowhere import unanswered
from tests.stack import Stack

BUCKET = "input-images"
TYPE = "application/octet-stream"
KINDS = pytest.mark.parametrize("kind", ["fake", "real"])


@pytest.fixture
def make(request: pytest.FixtureRequest, stack: Stack) -> Callable[[str, str], Any]:
    """Make the fake or the real one of a part; what is closable is closed."""
    makers: dict[tuple[str, str], Callable[[], Any]] = {
        ("marks", "fake"): MemoryMarks,
        ("marks", "real"): lambda: Marks(replace(_patient(stack), account="image-upload")),
        ("cache", "fake"): MemoryCache,
        ("cache", "real"): lambda: ResultCache(_patient(stack)),
        ("broker", "fake"): StubBroker,
        ("broker", "real"): lambda: _closed(request, Publisher(_patient(stack))),
    }
    return lambda part, kind: makers[part, kind]()


def _patient(stack: Stack) -> Settings:
    """Settings under which a busy machine makes no answer come too late."""
    return replace(stack.settings, cache_timeout_seconds=60.0, produce_timeout_seconds=60.0)


def _closed(request: pytest.FixtureRequest, publisher: Publisher) -> Publisher:
    request.addfinalizer(publisher.close)
    return publisher


@pytest.fixture
def nowhere() -> Iterator[str]:
    """host:port where nobody answers."""
    with unanswered() as address:
        yield address


@pytest.fixture
def key() -> str:
    return f"contracts/{uuid.uuid4()}"


@KINDS
def test_a_cached_result_is_read_back(make: Any, kind: str, key: str) -> None:
    cache = make("cache", kind)

    assert cache.get("default", key, "m") is None
    cache.put("default", key, "m", b"result")
    assert cache.get("default", key, "m") == b"result"
    assert cache.get("default", key, "other model") is None
    assert cache.get("other", key, "m") is None


@KINDS
def test_a_mark_is_changed_by_its_owner_alone(make: Any, kind: str, key: str) -> None:
    marks = make("marks", kind)

    assert marks.take(key, "own", 60) is None
    assert marks.take(key, "other", 60) == "own"
    assert marks.swap(key, "other", "", 60) is False
    assert marks.swap(key, "own", "new", 60) is True
    assert marks.take(key, "own", 60) == "new"
    assert marks.swap(key, "new", "", 60) is True
    assert marks.swap(key, "own", "another", 60) is True
    assert marks.take(key, "own", 60) == "another"


@KINDS
def test_many_results_are_cached_at_once(make: Any, kind: str, key: str) -> None:
    cache = make("cache", kind)
    results = {("tenant", f"{key}-{number}", "model"): b"%d" % number for number in range(3)}

    cache.put_many(results)

    assert cache.get_many(list(results)) == [b"0", b"1", b"2"]


@KINDS
def test_many_results_are_read_in_the_order_asked(make: Any, kind: str, key: str) -> None:
    cache = make("cache", kind)
    cache.put("default", key, "m", b"one")
    cache.put("other", key, "n", b"two")

    keys = [("other", key, "n"), ("default", key, "n"), ("default", key, "m")]

    assert cache.get_many(keys) == [b"two", None, b"one"]
    assert cache.get_many([]) == []


def test_a_redis_that_is_not_there_is_a_miss(stack: Stack, nowhere: str) -> None:
    cache = ResultCache(replace(stack.settings, redis_url=f"redis://{nowhere}/0"))

    cache.put("default", "image", "m", b"result")

    assert cache.get("default", "image", "m") is None
    assert not cache.answers()


def test_a_redis_that_failed_is_left_alone_for_a_second(stack: Stack, nowhere: str) -> None:
    now = [0.0]
    settings = replace(stack.settings, redis_url=f"redis://{nowhere}/0")
    cache = ResultCache(settings, clock=lambda: now[0])
    cache.get("default", "image", "m")
    cache._redis = ResultCache(_patient(stack))._redis

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


def test_published_events_are_on_the_topic(stack: Stack, make: Any, key: str) -> None:
    make("broker", "real").publish(topics.RESULTS.name, key, b"value")

    found = [record.value for record in read_topic(stack, topics.RESULTS.name) if record.key == key]
    assert found == [b"value"]


def test_a_broker_that_is_not_there_is_unavailable(
    stack: Stack, request: pytest.FixtureRequest, nowhere: str
) -> None:
    settings = replace(stack.settings, kafka_bootstrap_servers=nowhere)
    publisher = _closed(request, Publisher(settings))

    with pytest.raises(Unavailable):
        publisher.publish(topics.RESULTS.name, "key", b"value")


def test_nobody_waits_longer_for_an_acknowledgement_than_is_set(
    stack: Stack, request: pytest.FixtureRequest
) -> None:
    class Unacknowledged(Future[Written]):
        def result(self, timeout: float | None = None) -> Written:
            waited.append(timeout)
            raise TimeoutError

    waited: list[float | None] = []
    publisher = _closed(request, Publisher(stack.settings))

    with pytest.raises(Unavailable, match="in time"):
        publisher.wait(Unacknowledged())

    assert waited == [stack.settings.produce_timeout_seconds]


def test_applying_the_topics_again_changes_nothing(stack: Stack, make: Any, key: str) -> None:
    make("broker", "real").publish(topics.RESULTS.name, key, b"value")

    administration.apply(stack.settings)

    assert key in {record.key for record in read_topic(stack, topics.RESULTS.name)}
