"""Conservation: every accepted job is completed, failed or in flight; topics and buckets tell it.

accepted = completed + failed + in flight + missing, and missing should be 0. Listings and events
are compared side by side, sorted by tenant and image: nothing is fetched one by one, and memory
does not grow with the number of images.
"""

from __future__ import annotations

import heapq
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path

from imagectl.positions import Positions
from imagectl.sorting import Cursor, Sorted
from pipeline.errors import MalformedEvent
from pipeline.events.checks import moment
from pipeline.events.cloudevents import ImageUploaded, decode_uploaded, parse_uploaded
from pipeline.events.provenance import image_of
from pipeline.ids import (
    FAILURES_PREFIX,
    INPUT_BUCKET,
    RESULT_BUCKET,
    failure_key,
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


@dataclass(frozen=True)
class Note:
    """That a failed job is to be tried anew, by this event; see `Results.replace_failure`."""

    event: ImageUploaded
    retried_at: float


@dataclass(frozen=True)
class _States:
    """Where jobs are looked for, side by side."""

    results: Cursor
    failures: Cursor
    in_flight: Cursor

    def begin(self, image: str) -> bool:
        """Tell whether any knows an image."""
        return any(each.begins(image) for each in (self.results, self.failures, self.in_flight))


@dataclass
class Audit:
    """One comparison of what was accepted with what became of it.

    Attributes:
        missing: lines of jobs that are in no state, the first so many.
        notes: of jobs that are to be tried anew, and are not waiting; the first so many.
        images: how many stored images were looked at.
        spread_seconds: how much longer the listings take, so that MinIO hardly notices them.
    """

    store: ObjectStore
    jobs: Jobs | None
    folder: Path
    balance: Balance = field(default_factory=Balance)
    missing: list[str] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)
    images: int = 0
    spread_seconds: float = 0.0

    def unknown_images(self) -> Iterator[Listed]:
        """Find the stored images of which neither a topic nor a result nor a failure knows.

        When all are found, the balance is drawn.

        Raises:
            Unavailable: MinIO stopped answering.
        """
        jobs = self.jobs or Jobs(Sorted(self.folder), Sorted(self.folder))
        failed, retried = self._failures()
        states = _States(Cursor(self._results()), Cursor(failed), Cursor(jobs.in_flight))
        lines = Cursor(heapq.merge(jobs.accepted, retried))
        marks = Cursor(jobs.accepted), Cursor(retried)
        for stored in self._listed(INPUT_BUCKET):
            named = image_of(stored.key)
            if named is None:
                continue  # nothing that an upload stored
            self.images += 1
            image = image_prefix(*named[:2])
            self._settle(lines.before(image), *marks, states)
            if not (lines.begins(image) or states.begin(image)):
                yield stored
        self._settle(lines.before(None), *marks, states)

    def _settle(
        self, lines: Iterator[str], accepted: Cursor, retried: Cursor, states: _States
    ) -> None:
        before = None
        for line in lines:
            if line == before:
                continue  # it is in both
            before = line
            is_accepted, is_retried = accepted.holds(line), retried.holds(line)
            state = self._state(line, states, is_retried=is_retried)
            if is_accepted:
                setattr(self.balance, state, getattr(self.balance, state) + 1)
                if state == "missing" and len(self.missing) < MOST_MISSING:
                    self.missing.append(line)

    def _state(self, line: str, states: _States, *, is_retried: bool) -> str:
        """Tell where a job is counted; one with a note waits, if only to be sent."""
        if states.results.holds(line.partition(" ")[0]):
            return "completed"
        is_in_flight = states.in_flight.holds(line)
        if states.failures.holds(line):
            note = self._note(line) if is_retried else None
            if note and not is_in_flight and len(self.notes) < MOST_MISSING:
                self.notes.append(note)
            return "in_flight" if note else "failed"
        return "in_flight" if is_in_flight else "missing"

    def _note(self, line: str) -> Note | None:
        """Read what a failure says; None where the job has failed again."""
        key = failure_key(line.partition("/")[0], line.partition(" ")[2])
        try:
            said = json.loads(self.store.get(RESULT_BUCKET, key) or b"{}")
            if said.get("status") != "pending":
                return None
            return Note(parse_uploaded(said["event"]), moment(said["retriedAt"], "retriedAt"))
        except (ValueError, TypeError, KeyError, AttributeError, MalformedEvent):
            return None

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

    def _failures(self) -> tuple[Sorted, Sorted]:
        """List the failures, and which of these jobs were ever tried anew.

        They are by image as all else: a job's id says what it is about.
        """
        found = {"json": Sorted(self.folder), "retried": Sorted(self.folder)}
        for key in self.store.keys(RESULT_BUCKET, FAILURES_PREFIX):
            tenant, _, name = key.removeprefix(FAILURES_PREFIX).partition("/")
            job, _, kind = name.partition(".")
            if kind in found and (about := image_and_model(job)):
                found[kind].add(f"{result_key(tenant, *about)} {job}")
        return found["json"], found["retried"]


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
