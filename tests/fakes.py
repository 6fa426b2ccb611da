"""In-memory stand-ins for MinIO, Redis, Kafka and the classifier.

The cases in tests/integration/test_contracts.py run on these and on the real ones. Each is a
subclass of what it stands for, so that mypy holds its methods against the real ones; nothing of the
real one is set up, and what is not overridden fails.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import replace
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

from invoke import ClassifierClient
from pipeline.errors import Refused, Unavailable
from pipeline.events.cloudevents import ImageUploaded
from pipeline.kafka.publisher import Publisher, Written
from pipeline.kafka.topic_reader import Record, Span, TopicReader
from pipeline.storage.cache import ResultCache, ResultKey
from pipeline.storage.marks import Marks
from pipeline.storage.object_store import ObjectStore
from pipeline.storage.s3 import Described, Listed


class MemoryStore(ObjectStore):
    """An object store in a dict; `down` makes it answer nothing, `refused` are keys it refuses."""

    def __init__(self) -> None:
        self.objects: dict[tuple[str, str], bytes] = {}
        self.refused: set[str] = set()
        self.described: dict[tuple[str, str], Described] = {}
        self.now = time.time
        self.down = False
        self._creating = threading.Lock()

    def put(self, bucket: str, key: str, data: bytes, content_type: str) -> None:
        self._answer(key)
        self._write(bucket, key, data, content_type, {})

    def create(
        self,
        bucket: str,
        key: str,
        data: bytes,
        content_type: str,
        metadata: Mapping[str, str] | None = None,
    ) -> bool:
        self._answer(key)
        with self._creating:  # of many threads one wins, as on the real one
            if (bucket, key) in self.objects:
                return False
            self._write(bucket, key, data, content_type, metadata or {})
            return True

    def replace(self, bucket: str, key: str, data: bytes, content_type: str, tag: str) -> bool:
        self._answer(key)
        with self._creating:
            if self._tag(bucket, key) != tag:
                return False
            self._write(bucket, key, data, content_type, {})
            return True

    def tagged(self, bucket: str, key: str) -> tuple[bytes | None, str]:
        self._answer(key)
        return self.objects.get((bucket, key)), self._tag(bucket, key)

    def put_many(self, bucket: str, objects: Mapping[str, bytes], content_type: str) -> None:
        for key, data in objects.items():
            self.put(bucket, key, data, content_type)

    def create_many(
        self, bucket: str, objects: Mapping[str, bytes], content_type: str
    ) -> dict[str, bool]:
        return {key: self.create(bucket, key, data, content_type) for key, data in objects.items()}

    def get(self, bucket: str, key: str) -> bytes | None:
        self._answer(key)
        return self.objects.get((bucket, key))

    def get_many(self, bucket: str, keys: Sequence[str]) -> list[bytes | None]:
        return [self.get(bucket, key) for key in keys]

    def exists(self, bucket: str, key: str) -> bool:
        self._answer()
        return (bucket, key) in self.objects

    def describe(self, bucket: str, key: str) -> Described | None:
        self._answer()
        data = self.objects.get((bucket, key))
        if data is None:
            return None
        return self.described.get((bucket, key), Described(len(data), "", self.now(), {}))

    def listed(self, bucket: str, prefix: str) -> Iterator[Listed]:
        self._answer()
        for key in sorted(key for own, key in self.objects if own == bucket):
            described = self.describe(bucket, key)
            if described and key.startswith(prefix):
                stored_at = datetime.fromtimestamp(described.stored_at, UTC)
                yield Listed(key, stored_at.isoformat(), described.size)

    def folders(self, bucket: str, prefix: str) -> Iterator[str]:
        rests = (each.key.removeprefix(prefix) for each in self.listed(bucket, prefix))
        yield from sorted({f"{prefix}{rest.split('/')[0]}/" for rest in rests if "/" in rest})

    def _tag(self, bucket: str, key: str) -> str:
        data = self.objects.get((bucket, key))
        return "" if data is None else sha256(data).hexdigest()

    def _write(
        self, bucket: str, key: str, data: bytes, content_type: str, metadata: Mapping[str, str]
    ) -> None:
        self.objects[bucket, key] = data
        described = Described(len(data), content_type, self.now(), dict(metadata))
        self.described[bucket, key] = described

    def _answer(self, key: str = "") -> None:
        if self.down:
            raise Unavailable("the store is down")
        if key in self.refused:
            raise Refused("the store answered 400")


class MemoryCache(ResultCache):
    """A result cache in a dict; `down` makes every look-up a miss."""

    def __init__(self) -> None:
        self.values: dict[ResultKey, bytes] = {}
        self.down = False

    def get_many(self, keys: Sequence[ResultKey]) -> list[bytes | None]:
        return [None if self.down else self.values.get(key) for key in keys]

    def put_many(self, results: Mapping[ResultKey, bytes]) -> None:
        if not self.down:
            self.values |= results


class MemoryMarks(Marks):
    """Marks in a dict; `down` makes none be there, and none be set.

    Attributes:
        failing: so many of the next commands fail; after one that did Redis rests.
    """

    def __init__(self) -> None:
        self.values: dict[str, str] = {}
        self.down = False
        self.failing = 0
        self.rested = 0

    @property
    def rests(self) -> bool:
        return self.down

    def wait_for_rest(self) -> None:
        self.rested += 1

    def take(self, name: str, value: str, seconds: int) -> str | None:
        if self.down or name not in self.values:
            self.swap(name, value, value, seconds)
            return None
        return self.values[name]

    def swap(self, name: str, own: str, value: str, seconds: int) -> bool | None:
        if self.down or self.failing:
            self.failing = max(0, self.failing - 1)
            return None
        if self.values.get(name, own) != own:
            return False
        self.values[name] = value
        if not value:
            del self.values[name]
        return True


class StubBroker(Publisher):
    """A publisher that keeps what it was given; `down` acknowledges nothing.

    Attributes:
        refused: values and topics that it takes for too large.
    """

    def __init__(self) -> None:
        self.sent: list[tuple[str, str, bytes]] = []
        self.refused: set[str | bytes] = set()
        self.down = False

    def send(self, topic: str, key: str, value: bytes) -> Future[Written]:
        sent: Future[Written] = Future()
        if self.down:
            sent.set_exception(Unavailable("the broker is down"))
        elif self.refused & {topic, value}:
            sent.set_exception(Refused("it is too large"))
        else:
            self.sent.append((topic, key, value))
            sent.set_result(Written(0, len(self.values(topic)) - 1))
        return sent

    def wait(self, sent: Future[Written]) -> Written:
        return sent.result(0)

    def values(self, topic: str) -> list[bytes]:
        return [value for own, _, value in self.sent if own == topic]


class StubReader(TopicReader):
    """Reads what a stub broker was given, in one partition.

    Attributes:
        position: what the consumer group has committed, by topic.
        written_at: the time of every message.
        unreadable: raised by whoever reads.
    """

    def __init__(self, broker: StubBroker) -> None:
        self._broker = broker
        self.position: dict[str, int] = {}
        self.written_at = 0.0
        self.unreadable: Exception | None = None

    def spans(self, topic: str) -> list[Span]:
        return [Span(topic, 0, 0, len(self._broker.values(topic)))]

    def uncommitted(self, spans: Sequence[Span]) -> list[Span]:
        return [replace(span, first=self.position.get(span.topic, 0)) for span in spans]

    def commit(self, topic: str, partition: int, offset: int) -> None:
        self.position[topic] = offset

    def read(self, span: Span) -> Iterator[Record]:
        if self.unreadable:
            raise self.unreadable
        for offset, value in enumerate(self._broker.values(span.topic)[: span.end]):
            if offset >= span.first:
                yield Record(span.partition, offset, self.written_at, value)


class ScriptedClassifier(ClassifierClient):
    """Answers `completed`, or what was scripted for an image: an error or an answer's fields."""

    def __init__(self) -> None:
        self.script: dict[str, Exception | dict[str, Any]] = {}
        self.default: dict[str, Any] = {}
        self.calls: list[list[str]] = []

    def classify(
        self, batch: Sequence[ImageUploaded], *, is_urgent: bool = False
    ) -> list[dict[str, Any]]:
        self.calls.append([event.image_id for event in batch])
        return [self._answer(event) for event in batch]

    def _answer(self, event: ImageUploaded) -> dict[str, Any]:
        scripted = self.script.get(event.image_id)
        if isinstance(scripted, Exception):
            raise scripted
        result = {"modelId": event.model_id, "labels": [{"label": "star", "score": 0.9}]}
        completed = {"status": "completed", "result": result}
        return {"jobId": event.job_id, **(scripted or self.default or completed)}
