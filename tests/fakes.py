"""In-memory stand-ins for MinIO, Redis, Kafka and the classifier.

The cases in tests/integration/test_contracts.py run on these and on the real ones.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from typing import Any

from pipeline.errors import PipelineError, Unavailable
from pipeline.events import ImageUploaded


class MemoryStore:
    """An object store in a dict; `down` makes it answer nothing."""

    def __init__(self) -> None:
        self.objects: dict[tuple[str, str], bytes] = {}
        self.down = False

    def put(self, bucket: str, key: str, data: bytes, content_type: str) -> None:
        self._answer()
        self.objects[bucket, key] = data

    def create(self, bucket: str, key: str, data: bytes, content_type: str) -> bool:
        self._answer()
        if (bucket, key) in self.objects:
            return False
        self.objects[bucket, key] = data
        return True

    def get(self, bucket: str, key: str) -> bytes | None:
        self._answer()
        return self.objects.get((bucket, key))

    def exists(self, bucket: str, key: str) -> bool:
        self._answer()
        return (bucket, key) in self.objects

    def keys(self, bucket: str, prefix: str) -> Iterator[str]:
        self._answer()
        yield from sorted(
            key for own, key in self.objects if own == bucket and key.startswith(prefix)
        )

    def _answer(self) -> None:
        if self.down:
            raise Unavailable("the store is down")


class MemoryCache:
    """A result cache in a dict; `down` makes every look-up a miss."""

    def __init__(self) -> None:
        self.values: dict[tuple[str, str, str], bytes] = {}
        self.down = False

    def get(self, tenant: str, image: str, model: str) -> bytes | None:
        return None if self.down else self.values.get((tenant, image, model))

    def get_many(self, keys: Sequence[tuple[str, str, str]]) -> list[bytes | None]:
        return [self.get(*key) for key in keys]

    def put(self, tenant: str, image: str, model: str, result: bytes) -> None:
        if not self.down:
            self.values[tenant, image, model] = result


class StubBroker:
    """A publisher that keeps what it was given; `down` acknowledges nothing."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, str, bytes]] = []
        self.down = False

    def send(self, topic: str, key: str, value: bytes) -> Future[None]:
        sent: Future[None] = Future()
        if self.down:
            sent.set_exception(Unavailable("the broker is down"))
        else:
            self.sent.append((topic, key, value))
            sent.set_result(None)
        return sent

    def wait(self, sent: Future[None]) -> None:
        sent.result(0)

    def publish(self, topic: str, key: str, value: bytes) -> None:
        self.wait(self.send(topic, key, value))

    def values(self, topic: str) -> list[bytes]:
        return [value for own, _, value in self.sent if own == topic]


class ScriptedClassifier:
    """Answers `completed`, or what was scripted for an image: an error or an answer's fields."""

    def __init__(self) -> None:
        self.script: dict[str, PipelineError | dict[str, Any]] = {}
        self.calls: list[list[str]] = []

    def classify(self, batch: Sequence[ImageUploaded]) -> list[dict[str, Any]]:
        self.calls.append([event.image_id for event in batch])
        return [self._answer(event) for event in batch]

    def _answer(self, event: ImageUploaded) -> dict[str, Any]:
        scripted = self.script.get(event.image_id)
        if isinstance(scripted, PipelineError):
            raise scripted
        result = {"modelId": event.model_id, "labels": [{"label": "star", "score": 0.9}]}
        completed = {"status": "completed", "result": result}
        return {"jobId": event.job_id, **(scripted or completed)}
