"""What the in-memory world was sent and what it promised; notes every promise that is broken."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from pipeline import ids
from pipeline.errors import MalformedEvent
from pipeline.events.cloudevents import ImageUploaded, Origin, decode_uploaded
from pipeline.events.dead_letters import REPLAYED
from pipeline.events.failures import replays_of
from pipeline.ids import INPUT_BUCKET, RESULT_BUCKET, Job
from pipeline.kafka import topics
from tests.pictures import jpeg, with_nonce

# An image's kind is in its bytes: what the engine, or the consumer, makes of it.
KINDS = ("good", "poison", "cursed", "deadly")
_PICTURE = jpeg(16, 16)
_NONCE_AT = 6


def picture(kind: str, number: int) -> bytes:
    """Make an image: poison cannot be decoded, cursed ends the classifier, deadly the consumer."""
    return with_nonce(_PICTURE, f"{kind} {number}\n".encode())


def kind_of(data: bytes) -> str:
    """Tell an image's kind."""
    return data[_NONCE_AT:].partition(b" ")[0].decode()


def verdict(data: bytes) -> str:
    """Tell the one right label of these bytes."""
    return f"label {ids.image_id(data)[:8]}"


def readable(records: Iterable[tuple[bytes, bytes]]) -> Iterator[ImageUploaded]:
    """Read the events among messages, each a key and a value."""
    for _, value in records:
        try:
            yield decode_uploaded(value)
        except MalformedEvent:
            continue


class Watch:
    """Looks on at every write, acknowledgement and commit.

    Attributes:
        violations: in words, in the order found.
        accepted: every job that was promised, with its image's kind.
        blows: what may have cost a job an attempt.
        cancelled: jobs that a client asked to cancel.
    """

    def __init__(self, max_attempts: int) -> None:
        self.violations: list[str] = []
        self.accepted: list[tuple[Job, str]] = []
        self.blows: Counter[str] = Counter()
        self.cancelled: set[str] = set()
        self._max_attempts = max_attempts
        self._sent: dict[tuple[str, str], bytes] = {}
        self._completed: set[str] = set()
        self._retried: set[tuple[str, int]] = set()
        self._buried: set[Origin] = set()
        self._dead: set[str] = set()
        self._told: dict[str, str] = {}

    def sends(self, tenant: str, data: bytes) -> None:
        """Note what a client is about to send."""
        self._sent[tenant, ids.image_id(data)] = data

    def accepts(self, job: Job) -> None:
        """Note a promise."""
        data = self._sent[job.tenant, job.image_id]
        self.accepted.append((job, kind_of(data)))

    def strikes(self, events: Iterable[ImageUploaded]) -> None:
        """Note that an attempt at these may have been cut short."""
        self.blows.update(event.job_id for event in events)

    def writes(self, bucket: str, key: str, old: bytes | None, new: bytes) -> None:
        """Look at an object as it is written."""
        if bucket == INPUT_BUCKET and key.rpartition("/")[2][:64] != ids.image_id(new):
            self._break(f"{key} holds other bytes than its name says")
        if bucket != RESULT_BUCKET:
            return
        body = json.loads(new)
        if key.startswith("cancelled/"):
            if key.endswith(".decided") and old:
                self._break(f"{key} was decided again")
            return
        if key.endswith(".retried"):
            return
        if key.startswith("failures/"):
            if replays_of(old) > replays_of(new):
                self._break(f"{key} forgets that its job is tried anew")
            if body["status"] == "pending":
                return
            self._check_failure(key.split("/")[1], body)
            if old and json.loads(old).get("error", {}).get("code") == body["error"]["code"]:
                self._break(f"{key} was written again")
            return
        self._check_result(key, body)
        if old not in (None, new):
            self._break(f"{key} was overwritten")

    def caches(self, key: Sequence[str], value: bytes, stored: bytes | None) -> None:
        """Look at a result as it is cached."""
        if value != stored:
            self._break(f"the cache holds for {'/'.join(key)} what the store does not")

    def acknowledges(self, topic: str, value: bytes) -> None:
        """Note an event that the broker has acknowledged."""
        said = json.loads(value)
        data = said["data"]
        if said["type"] == REPLAYED:
            return
        if topic == topics.RESULTS.name:
            self._completed.add(data["jobId"])
        if topic == topics.RETRY.name:
            event = decode_uploaded(value)
            self._retried.add((event.job_id, event.attempt))
            if event.attempt > self._max_attempts:
                self._break(f"{event.job_id} is given attempt {event.attempt}")
            self._check_cost(event.job_id, event.attempt - 1)
        if topic == topics.FAILURES.name:
            origin = Origin(data["originTopic"], data["originPartition"], data["originOffset"])
            self._buried.add(origin)
            self._dead.add(data.get("originalEvent", {}).get("data", {}).get("jobId", ""))
            if not data["reason"]["code"]:
                self._break(f"the dead letter of {origin} has no reason")

    def commits(self, origin: Origin, value: bytes) -> None:
        """Look at a message that a commit leaves behind."""
        if origin in self._buried:
            return
        try:
            event = decode_uploaded(value)
        except MalformedEvent:
            self._break(f"{origin} was committed, and its dead letter is not acknowledged")
            return
        retried = any((event.job_id, event.attempt + more) in self._retried for more in range(1, 9))
        if event.job_id not in self._completed and not retried:
            self._break(f"{origin} was committed before anything was acknowledged for it")

    def tells(self, job: Job, status: str) -> None:
        """Look at a state as it is told: an end is one, but for a failure that is tried anew."""
        before = self._told.get(job.job_id)
        if before in ("completed", "cancelled") and status != before:
            self._break(f"{job.job_id} was {before}, and is {status}")
        if status == "cancelled" and job.job_id not in self.cancelled:
            self._break(f"{job.job_id} is cancelled, and nobody asked for it")
        self._told[job.job_id] = status

    def ends(self, job: Job, kind: str, answer: dict[str, Any]) -> None:
        """Look at a job's last state."""
        status = answer["status"]
        self.tells(job, status)
        if status not in ("completed", "failed", "cancelled"):
            self._break(f"a job of a {kind} image is {status} after all")
        if status == "completed" and kind != "good":
            self._break(f"a job of a {kind} image is completed")
        if status == "completed":
            self._check_label(job.tenant, job.image_id, answer["result"])
        if status == "failed" and kind == "good" and self.blows[job.job_id] < self._max_attempts:
            self._break(f"a good image failed after {self.blows[job.job_id]} blows: {answer}")
        if status == "failed" and job.job_id not in self._dead:
            self._break(f"{job.job_id} failed without a dead letter")

    def _check_failure(self, tenant: str, body: dict[str, Any]) -> None:
        if (tenant, body["imageId"]) not in self._sent:
            self._break(f"a failure of an image never sent: {body}")
        attempts = body["error"]["attempts"]
        if attempts > self._max_attempts:
            self._break(f"{body['jobId']} cost {attempts} attempts")
        self._check_cost(body["jobId"], attempts - 1)

    def _check_cost(self, job_id: str, spent: int) -> None:
        if spent > self.blows[job_id]:
            self._break(f"{job_id} paid {spent} attempts for {self.blows[job_id]} blows")

    def _check_result(self, key: str, body: dict[str, Any]) -> None:
        tenant, _, image, _ = key.split("/")
        if (tenant, image) not in self._sent:
            self._break(f"a result of an image never sent: {key}")
        else:
            self._check_label(tenant, image, body)

    def _check_label(self, tenant: str, image: str, body: dict[str, Any]) -> None:
        expected = verdict(self._sent[tenant, image])
        if body["imageId"] != image or body["labels"][0]["label"] != expected:
            self._break(f"{image} of {tenant} is said to be {body['labels'][0]['label']}")

    def _break(self, violation: str) -> None:
        self.violations.append(violation)
