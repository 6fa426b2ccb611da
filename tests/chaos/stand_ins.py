"""What the real code stands on in the in-memory world: fakes that a watch looks at."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from typing import Any

import requests
from confluent_kafka import KafkaException, TopicPartition
from requests.adapters import BaseAdapter

from admission import Admission
from classifier import Classifier
from pipeline.errors import Unavailable
from pipeline.events.cloudevents import BATCH_CONTENT_TYPE, ImageUploaded, Origin, parse_uploaded
from pipeline.hooks import crashes
from pipeline.ids import RESULT_BUCKET, result_key
from pipeline.kafka.publisher import Written
from pipeline.storage.cache import ResultKey
from tests.chaos.moments import Killed, Moments
from tests.chaos.watch import Watch, kind_of, readable
from tests.fakes import MemoryCache, MemoryStore, StubBroker
from tests.fakes_kafka import MemoryConsumer, MemoryKafka

# What a call to the classifier may meet. The first three cost no attempt.
TROUBLES = ("503", "429", "refused", "500", "502", "garbage", "others", "late", "cut")


class Unlimited(Admission):
    """An admission without a limit."""

    def __init__(self) -> None:
        self._limit = 0


class WatchedStore(MemoryStore):
    """An object store whose every operation may go wrong."""

    def __init__(self, watch: Watch, moments: Moments) -> None:
        super().__init__()
        self._watch = watch
        self._moments = moments

    def put(self, bucket: str, key: str, data: bytes, content_type: str) -> None:
        effect = self._moments.before("store")
        self._watch.writes(bucket, key, self.objects.get((bucket, key)), data)
        super().put(bucket, key, data, content_type)
        self._moments.after("store", effect)

    def create(
        self,
        bucket: str,
        key: str,
        data: bytes,
        content_type: str,
        metadata: Mapping[str, str] | None = None,
    ) -> bool:
        effect = self._moments.before("store")
        created = super().create(bucket, key, data, content_type, metadata)
        if created:
            self._watch.writes(bucket, key, None, data)
        self._moments.after("store", effect)
        return created

    def get(self, bucket: str, key: str) -> bytes | None:
        self._moments.after("store", self._moments.before("store"))
        return super().get(bucket, key)

    def keys(self, bucket: str, prefix: str) -> Iterator[str]:
        self._moments.after("store", self._moments.before("store"))
        yield from super().keys(bucket, prefix)


class WatchedCache(MemoryCache):
    """A cache that must never hold what the store does not."""

    def __init__(self, watch: Watch, moments: Moments, store: MemoryStore) -> None:
        super().__init__()
        self._watch = watch
        self._moments = moments
        self._store = store

    def get_many(self, keys: Sequence[ResultKey]) -> list[bytes | None]:
        self.down = "cache" in self._moments.down
        return super().get_many(keys)

    def put_many(self, results: Mapping[ResultKey, bytes]) -> None:
        self.down = "cache" in self._moments.down
        for key, result in results.items():
            stored = self._store.objects.get((RESULT_BUCKET, result_key(*key)))
            self._watch.caches(key, result, stored)
        super().put_many(results)


class WatchedKafka(MemoryKafka):
    """A broker that looks at what each commit leaves behind."""

    def __init__(self, partitions: Mapping[str, int], watch: Watch) -> None:
        super().__init__(partitions)
        self._watch = watch

    def commit(self, member: MemoryConsumer, offsets: Sequence[TopicPartition]) -> None:
        before = dict(self.committed)
        try:
            super().commit(member, offsets)
        except KafkaException:
            self._strike(offsets)
            raise
        for each in offsets:
            place = (each.topic, each.partition)
            for offset in range(before.get(place, (0, ""))[0], each.offset):
                self._watch.commits(Origin(*place, offset), self.logs[place][offset][1])

    def _strike(self, offsets: Sequence[TopicPartition]) -> None:
        """Whoever reads where work began, and not that it was given up, takes it for a crash."""
        for each in offsets:
            place = (each.topic, each.partition)
            position, _ = self.committed.get(place, (0, ""))
            self._watch.strikes(readable(self.logs[place][position : position + 1]))


class WatchedPublisher(StubBroker):
    """A producer into the broker in memory; what it writes may go wrong."""

    def __init__(self, kafka: MemoryKafka, watch: Watch, moments: Moments) -> None:
        super().__init__()
        self._kafka = kafka
        self._watch = watch
        self._moments = moments

    def send(self, topic: str, key: str, value: bytes) -> Future[Written]:
        sent: Future[Written] = Future()
        try:
            effect = self._moments.before("broker")
            written = self._kafka.append(topic, key.encode(), value)
            self._moments.after("broker", effect)
        except Unavailable as error:
            sent.set_exception(error)
        else:
            self._watch.acknowledges(topic, value)
            sent.set_result(written)
        crashes.point("produced", topic)
        return sent


class AtOnce:
    """An executor that does everything at once, in the order asked."""

    def __init__(self, *_: Any, **__: Any) -> None:
        """Take what a pool of threads is given."""

    def submit(self, function: Callable[..., Any], *arguments: Any) -> Future[Any]:
        future: Future[Any] = Future()
        try:
            future.set_result(function(*arguments))
        except Exception as error:
            future.set_exception(error)
        return future


class Gateway(BaseAdapter):
    """Where the consumer's HTTP calls end: the real classifier, or what stands in the way.

    Attributes:
        trouble: what every call meets until it is over.
        next_trouble: what the next call alone meets.
    """

    def __init__(self, classifier: Classifier, watch: Watch, inputs: MemoryStore) -> None:
        super().__init__()
        self.trouble = self.next_trouble = ""
        self._classifier = classifier
        self._watch = watch
        self._inputs = inputs

    def send(self, request: requests.PreparedRequest, *_: Any, **__: Any) -> requests.Response:
        if request.headers["Content-Type"] != BATCH_CONTENT_TYPE:  # whether it works at all
            return _respond(200 if not self.trouble else 500, b"")
        batch = [parse_uploaded(event) for event in json.loads(request.body or b"")]
        if any(self._kind(event) == "deadly" for event in batch):
            raise Killed("the consumer, by an image")
        trouble, self.next_trouble = self.next_trouble or self.trouble, ""
        response = self._answer(batch, trouble)
        failed = response.status_code not in (200, 429, 503) or trouble in ("garbage", "others")
        if failed and len(batch) == 1:
            self._watch.strikes(batch)
        return response

    def close(self) -> None:
        """Close nothing."""

    def _kind(self, event: ImageUploaded) -> str:
        bucket, _, key = event.storage_path.partition("/")
        return kind_of(self._inputs.objects.get((bucket, key), b""))

    def _answer(self, batch: list[ImageUploaded], trouble: str) -> requests.Response:
        if trouble == "refused":
            raise requests.ConnectionError("refused")
        if trouble.isdigit():
            return _respond(int(trouble), b"")
        if trouble == "garbage":
            return _respond(200, b"<html>it works</html>")
        try:
            answers = self._classifier.classify(batch)
        except Killed:
            return _respond(502, b"")
        if trouble == "late":
            if len(batch) == 1:
                self._watch.strikes(batch)
            raise requests.ReadTimeout("late")
        if trouble == "cut":
            raise requests.ConnectionError("cut")
        if trouble == "others":
            answers = answers[1:]
        return _respond(200, json.dumps(answers).encode())


def _respond(status: int, body: bytes) -> requests.Response:
    response = requests.Response()
    response.status_code = status
    response._content = body
    return response
