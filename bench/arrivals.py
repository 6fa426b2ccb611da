"""When the result event of each job arrived."""

from __future__ import annotations

import json
import threading
import time
from types import TracebackType
from typing import Any

from confluent_kafka import OFFSET_END, Consumer, TopicPartition

from pipeline import topics
from tests.stack import LocalStack, until

_POLL_SECONDS = 0.1


class Arrivals:
    """Reads `image-results` from now on, in a thread."""

    def __init__(self, stack: LocalStack) -> None:
        self._stack = stack
        self._seen: dict[str, tuple[float, str]] = {}
        self._reading = threading.Event()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._read, name="arrivals")

    def __enter__(self) -> Arrivals:
        self._thread.start()
        assert self._reading.wait(30)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self._stopping.set()
        self._thread.join()

    def __len__(self) -> int:
        return len(self._seen)

    def of(self, job_id: str) -> float:
        """The moment (time.monotonic) at which this job's result event arrived."""
        return self._seen[job_id][0]

    def times(self) -> list[float]:
        """All moments, in order."""
        return sorted(moment for moment, _ in self._seen.values())

    def labels(self) -> set[str]:
        """The best labels that were seen."""
        return {label for _, label in self._seen.values()}

    def wait_for(self, count: int, seconds: float) -> None:
        """Wait until so many jobs have their result."""
        until(lambda: len(self._seen) >= count or None, seconds)

    def _read(self) -> None:
        consumer = Consumer(
            {
                "bootstrap.servers": self._stack.settings.kafka_bootstrap_servers,
                "group.id": "bench",
                "fetch.wait.max.ms": 10,
            }
        )
        try:
            self._assign_the_end(consumer)
            self._reading.set()
            while not self._stopping.is_set():
                message = consumer.poll(_POLL_SECONDS)
                if message is not None and message.error() is None:
                    self._take(json.loads(message.value() or b"{}"))
        finally:
            consumer.close()

    def _assign_the_end(self, consumer: Consumer) -> None:
        name = topics.RESULTS.name
        partitions = consumer.list_topics(name).topics[name].partitions
        ends = []
        for partition in partitions:
            _, end = consumer.get_watermark_offsets(TopicPartition(name, partition))
            ends.append(TopicPartition(name, partition, end if end >= 0 else OFFSET_END))
        consumer.assign(ends)

    def _take(self, event: dict[str, Any]) -> None:
        data = event["data"]
        self._seen[data["jobId"]] = (time.monotonic(), data["labels"][0]["label"])
