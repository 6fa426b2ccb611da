"""Conservation: every accepted job is completed, failed or in flight; topics and buckets tell it.

accepted = completed + failed + in flight + missing, and missing should be 0. Listings and events
are compared side by side, sorted by tenant and image: nothing is fetched one by one, and memory
does not grow with the number of images.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path

from imagectl.positions import Positions
from imagectl.sorting import Cursor, Sorted
from pipeline.errors import MalformedEvent
from pipeline.events.cloudevents import ImageUploaded, decode_uploaded
from pipeline.events.provenance import image_of
from pipeline.ids import (
    FAILURES_PREFIX,
    INPUT_BUCKET,
    RESULT_BUCKET,
    image_and_model,
    result_key,
)
from pipeline.kafka import topics
from pipeline.kafka.topic_reader import TopicReader
from pipeline.storage.object_store import ObjectStore
from pipeline.storage.s3 import Listed

# Of each tenant in each bucket: the first two digits of the images' ids.
_FOLDERS = 256
# How many missing jobs are named and sent again in one run; there should be none.
MOST_MISSING = 10_000


@dataclass
class Balance:
    """How many jobs are in which state."""

    completed: int = 0
    failed: int = 0
    in_flight: int = 0
    missing: int = 0

    @property
    def accepted(self) -> int:
        """All of them."""
        return self.completed + self.failed + self.in_flight + self.missing


@dataclass
class Jobs:
    """Jobs as the topics hold them, each as one line: its result's key, a space, its id."""

    accepted: Sorted
    in_flight: Sorted

    @classmethod
    def read(cls, reader: TopicReader, positions: Positions, folder: Path) -> Jobs:
        """Read what was accepted whole, and of the retries what is not finished.

        Raises:
            Unavailable: Kafka stopped answering.
        """
        jobs = cls(Sorted(folder), Sorted(folder))
        for span in positions.uploads:
            unfinished = positions.unfinished_from(span.topic, span.partition)
            for record in reader.read(span):
                if line := _line_of(record.value):
                    jobs.accepted.add(line)
                    if record.offset >= unfinished:
                        jobs.in_flight.add(line)
        retries = (span for span in positions.unfinished if span.topic == topics.RETRY.name)
        for record in chain.from_iterable(map(reader.read, retries)):
            if line := _line_of(record.value):
                jobs.in_flight.add(line)
        return jobs


@dataclass
class Audit:
    """One comparison of what was accepted with what became of it.

    Attributes:
        missing: lines of jobs that are in no state, the first so many.
        images: how many stored images were looked at.
        spread_seconds: how much longer the listings take, so that MinIO hardly notices them.
    """

    store: ObjectStore
    jobs: Jobs | None
    folder: Path
    balance: Balance = field(default_factory=Balance)
    missing: list[str] = field(default_factory=list)
    images: int = 0
    spread_seconds: float = 0.0

    def unknown_images(self) -> Iterator[Listed]:
        """Find the stored images of which neither a topic nor a result nor a failure knows.

        When all are found, the balance is drawn.

        Raises:
            Unavailable: MinIO stopped answering.
        """
        accepted = Cursor(self.jobs.accepted if self.jobs else ())
        in_flight = Cursor(self.jobs.in_flight if self.jobs else ())
        failures, results = Cursor(self._failures()), Cursor(self._results())
        states = (results, failures, in_flight)
        for stored in self._listed(INPUT_BUCKET):
            named = image_of(stored.key)
            if named is None:
                continue  # nothing that an upload stored
            self.images += 1
            image = image_prefix(*named[:2])
            self._settle(accepted.before(image), *states)
            if not any(each.begins(image) for each in (accepted, *states)):
                yield stored
        self._settle(accepted.before(None), *states)

    def _settle(
        self, lines: Iterator[str], results: Cursor, failures: Cursor, in_flight: Cursor
    ) -> None:
        for line in lines:
            if results.holds(line.partition(" ")[0]):
                self.balance.completed += 1
            elif failures.holds(line):
                self.balance.failed += 1
            elif in_flight.holds(line):
                self.balance.in_flight += 1
            else:
                self.balance.missing += 1
                if len(self.missing) < MOST_MISSING:
                    self.missing.append(line)

    def _results(self) -> Iterator[str]:
        """List the results' keys; those of failures have a part less."""
        return (each.key for each in self._listed(RESULT_BUCKET) if each.key.count("/") == 3)

    def _listed(self, bucket: str) -> Iterator[Listed]:
        """List a bucket, folder by folder of the keys' first two parts: `{tenant}/{ab}/`.

        MinIO keeps a large listing in memory from page to page, a small one not.
        """
        tenants = list(self.store.folders(bucket, ""))
        for tenant in tenants:
            for folder in self.store.folders(bucket, tenant):
                # Two buckets are listed.
                time.sleep(self.spread_seconds / (2 * _FOLDERS * len(tenants)))
                yield from self.store.listed(bucket, folder)

    def _failures(self) -> Sorted:
        """List the failures, by image as all else: a job's id says what it is about."""
        failures = Sorted(self.folder)
        for key in self.store.keys(RESULT_BUCKET, FAILURES_PREFIX):
            tenant, _, job = key.removeprefix(FAILURES_PREFIX).removesuffix(".json").partition("/")
            if about := image_and_model(job):
                failures.add(f"{result_key(tenant, *about)} {job}")
        return failures


def image_prefix(tenant: str, image: str) -> str:
    """Name what the lines about an image begin with."""
    return result_key(tenant, image, "").rpartition("/")[0] + "/"


def line_of(event: ImageUploaded) -> str:
    """Write a job as a line that sorts as the listings do."""
    return f"{result_key(event.tenant_id, event.image_id, event.model_id)} {event.job_id}"


def _line_of(raw: bytes) -> str | None:
    """Write the job of an event; what is no event is a dead letter, and no job."""
    try:
        return line_of(decode_uploaded(raw))
    except MalformedEvent:
        return None
