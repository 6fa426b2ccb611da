"""When results arrive: a reader of image-results and image-failures that runs beside a load."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Collection
from dataclasses import dataclass
from types import TracebackType
from typing import Any

from confluent_kafka import OFFSET_END, Consumer, Message, TopicPartition

from bench.checks import BenchFailed
from bench.progress import Progress
from pipeline.kafka import topics
from pipeline.kafka.clients import connection
from pipeline.settings import Settings

_POLL_SECONDS = 0.1
_AT_ONCE = 500
# Nothing at all for so long: what is missing will not come.
_PATIENCE_SECONDS = 60.0


@dataclass(frozen=True)
class Arrival:
    """A result event: when it was read, by the monotonic clock, and the labels in it."""

    at: float
    labels: list[dict[str, Any]]


class Arrivals:
    """Reads result events from now on, in a thread; a context manager."""

    def __init__(self, settings: Settings) -> None:
        self._consumer = Consumer(
            {
                **connection(settings),
                "group.id": "bench",
                "enable.auto.commit": False,
            }
        )
        self._arrivals: dict[str, Arrival] = {}
        self._labels: dict[str, list[dict[str, Any]]] = {}
        self._failure: str | None = None
        self._news = threading.Condition()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._read, name="arrivals")

    def __enter__(self) -> Arrivals:
        self._consumer.assign(
            [
                TopicPartition(topic.name, number, self._end(topic.name, number))
                for topic in (topics.RESULTS, topics.FAILURES)
                for number in range(topic.partitions)
            ]
        )
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._closing.set()
        self._thread.join()
        self._consumer.close()

    @property
    def count(self) -> int:
        """How many results have come."""
        return len(self._arrivals)

    def instants(self) -> list[float]:
        """When each of those that have come was read."""
        with self._news:
            return [arrival.at for arrival in self._arrivals.values()]

    def wait_for(self, jobs: Collection[str]) -> list[Arrival]:
        """Wait until every job has its result; return them in the order of the jobs.

        Raises:
            BenchFailed: an image failed, or nothing came for a long time.
        """
        progress = Progress()
        missing = set(jobs)
        deadline = time.monotonic() + _PATIENCE_SECONDS
        with self._news:
            while still := missing - self._arrivals.keys():
                if self._failure:
                    raise BenchFailed(f"an image failed: {self._failure}")
                if len(still) < len(missing):
                    deadline = time.monotonic() + _PATIENCE_SECONDS
                if time.monotonic() > deadline:
                    raise BenchFailed(f"{len(still)} of {len(jobs)} results did not come")
                missing = still
                progress.tell(f"{len(jobs) - len(missing):,} of {len(jobs):,} results")
                self._news.wait(_POLL_SECONDS)
            return [self._arrivals[job] for job in jobs]

    def _end(self, topic: str, partition: int) -> int:
        """Where the partition ends now: `OFFSET_END` would be asked for only later."""
        marks = self._consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=10.0)
        return marks[1] if marks else OFFSET_END

    def _read(self) -> None:
        while not self._closing.is_set():
            first = self._consumer.poll(_POLL_SECONDS)
            if first is None:
                continue
            rest = self._consumer.consume(_AT_ONCE, timeout=0)
            at = time.monotonic()
            with self._news:
                for message in (first, *rest):
                    self._take(message, at)
                self._news.notify()

    def _take(self, message: Message, at: float) -> None:
        error = message.error()
        if error is not None:
            self._failure = error.str()
            return
        data = json.loads(message.value() or b"")["data"]
        if message.topic() == topics.FAILURES.name:
            self._failure = str(data["reason"])
        else:
            # Of equal labels one is kept: 100,000 of the same would fill the memory.
            labels = self._labels.setdefault(json.dumps(data["labels"]), data["labels"])
            # The first one counts: a job's event may be written twice.
            self._arrivals.setdefault(data["jobId"], Arrival(at, labels))
