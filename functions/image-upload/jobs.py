"""What a client may still do about a job: cancel one that has not ended, try a failed one anew."""

from __future__ import annotations

import json
import logging
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from admission import Admission
from idempotency import call_id_of
from lanes import Lanes
from pipeline.errors import Conflict, Gone, NotFound, Refused, Unavailable
from pipeline.events import dead_letters, failures
from pipeline.events.cloudevents import ImageUploaded, parse_uploaded
from pipeline.events.provenance import recall
from pipeline.http import web
from pipeline.ids import INPUT_BUCKET, Job, JobIds, input_key
from pipeline.kafka.publisher import Publisher
from pipeline.storage.cancellations import CANCELLED, Cancellations, Look
from pipeline.storage.marks import Marks
from pipeline.storage.object_store import ObjectStore
from pipeline.storage.results import Found, Results
from quota_gate import QuotaGate

logger = logging.getLogger(__name__)

_PATH = re.compile(r"/jobs/([^/]+)/(cancel|retry)/?")
_COMPLETED, _FAILED, _PENDING = "completed", "failed", "pending"
# Each time that a job was tried anew costs those who ask for it a look.
MOST_REPLAYS = 20
# Marks: who begins a job again, and that it has begun. Longer than any request; and so long no
# event is sent again for whoever asks once more.
_BEGINNING, _BEGUN = "busy:", "done"
_BEGINNING_SECONDS, _BEGUN_SECONDS = 75, 600


@dataclass(frozen=True)
class Jobs:
    """Ends jobs early, and begins failed ones again."""

    store: ObjectStore
    results: Results
    publisher: Publisher
    job_ids: JobIds
    admission: Admission
    quotas: QuotaGate
    marks: Marks
    cancellations: Cancellations
    retention: timedelta
    clock: Callable[[], float] = time.time
    lanes: Lanes = field(default_factory=Lanes)

    def answer(self, tenant: str, call: web.Call) -> web.Response | None:
        """Do what a path says; None where it is about no job.

        Raises:
            NotFound: the job was never issued to this tenant.
            Gone: it is past its retention.
            Conflict: its state does not allow it.
            Unavailable: MinIO or Kafka does not answer, or there is no room; asked for again, it
                goes on.
        """
        about = _PATH.fullmatch(call.path)
        if about is None:
            return None
        job = self._job(tenant, about[1])
        if about[2] == "cancel":
            self.cancel(job)
        else:
            self.retry(job, call_id_of(call))
        logger.info(about[2], extra={"job_id": job.job_id, **call.names})
        if about[2] == "cancel":
            return web.respond(200, {**_head(job), "status": CANCELLED})
        links = {"job": f"/api/v1/jobs/{job.job_id}", "image": f"/api/v1/images/{job.image_id}"}
        body = {**_head(job), "status": "accepted", "links": links}
        return web.respond(202, body, {"Location": links["job"]})

    def cancel(self, job: Job) -> None:
        """Give a job that has not ended its end; its image may have other jobs, which go on."""
        replays = failures.replays_of(self._failure(job))
        ended = self.cancellations.cancel(job.tenant, job.job_id, replays, lambda: self._ended(job))
        if ended:
            raise Conflict(
                f"the job is {ended}, and stays so",
                code="job-finished",
                found=ended,
                allowed=_PENDING,
            )

    def retry(self, job: Job, call_id: str) -> None:
        """Begin a failed job again: the same job, with all attempts, as a replay does.

        It is an image more for its tenant's quota. Who asks again is told the same, and for a while
        no further event is sent.
        """
        failure = self._failure(job)
        state = self._state(job, failure)
        said: dict[str, Any] = json.loads(failure) if failure else {}
        if state == _COMPLETED and said.get("status") == _PENDING:
            # Whoever was killed before the mark left the letter open.
            with self._alone(f"{job.job_id}.{failures.replays_of(failure)}", call_id) as begun:
                if not begun:
                    self._mark_letter(job, _before(parse_uploaded(said["event"])))
        if state != _FAILED and not (state == _PENDING and said.get("status") == _PENDING):
            raise Conflict(
                f"the job is {state}; only a failed one is tried anew",
                code="job-not-failed",
                found=state,
                allowed=_FAILED,
            )
        replays = failures.replays_of(failure) + (state == _FAILED)
        if replays > MOST_REPLAYS:
            raise Conflict(
                f"the job was tried anew {replays - 1} times; send its image again",
                code="job-not-failed",
                found=replays - 1,
                allowed=f"up to {MOST_REPLAYS} times",
            )
        with self._alone(f"{job.job_id}.{replays}", call_id) as begun:
            if state == _FAILED or not begun:
                self._begin(job, state, said)

    def _begin(self, job: Job, state: str, said: dict[str, Any]) -> None:
        """Send the event of a job again.

        First its state, then its event, then the mark of its dead letter. Killed in between, it is
        asked for again, and nothing of it is done in vain.
        """
        with self.admission.one(), self.quotas.one(job.tenant, 0, lambda: True) as taken:
            if state == _FAILED:
                event = self._event(job, said)
                again = event.replayed()
                retried = failures.encode_retried(again, said.get("error"), self.clock())
                self.results.replace_failure(job.tenant, job.job_id, retried)
            else:
                again = parse_uploaded(said["event"])
                event = _before(again)
            with self.lanes.one(job.tenant, is_awaited=False) as lane:
                sent = self.publisher.publish(lane.topic.name, job.image_id, again.encode())
                lane.written = sent
            taken.place = (lane.topic, sent)
        self._mark_letter(job, event)

    def _mark_letter(self, job: Job, event: ImageUploaded) -> None:
        try:
            self.publisher.publish(*dead_letters.mark_retried(event))
        except Refused as error:
            # The job goes on; its letter stays open for whoever looks after them.
            logger.error("not marked", extra={"job_id": job.job_id, "reason": str(error)})

    @contextmanager
    def _alone(self, name: str, call_id: str) -> Iterator[bool]:
        """Begin a job again as the only one that does; tells whether somebody has a moment ago.

        Raises:
            Unavailable: somebody does.
        """
        name, own, is_marked = f"retry/{name}", _BEGINNING + call_id, not self.marks.rests
        other = self.marks.take(name, own, _BEGINNING_SECONDS)
        if other not in (None, own, _BEGUN):
            raise Unavailable("the job is being begun again; ask again", retry_after_seconds=1)
        last = ""
        try:
            yield other == _BEGUN
            last = _BEGUN
        finally:
            if other != _BEGUN:
                self.marks.end(name, own, last, _BEGUN_SECONDS, is_marked=is_marked)

    def told_of(self, jobs: Sequence[Job], found: Mapping[str, Found]) -> dict[str, Found]:
        """Leave those results, by job id, that are their jobs' ends: none of them was cancelled.

        Where that is not known, or not decided, nothing is told: the client asks for the job.
        """
        return {job.job_id: found[job.job_id] for job in jobs if self._is_end(job, found)}

    def _is_end(self, job: Job, found: Mapping[str, Found]) -> bool:
        if job.job_id not in found:
            return False
        try:
            return self._look(job, has_ended=True) is Look.NOTHING
        except Unavailable:
            return False

    def is_cancelled(self, job: Job) -> bool:
        """Tell whether a job is cancelled."""
        return self._state(job, self._failure(job)) == CANCELLED

    def _job(self, tenant: str, job_id: str) -> Job:
        job = self.job_ids.read(job_id, tenant)
        age = datetime.fromtimestamp(self.clock(), UTC) - job.accepted_at
        if age > self.retention:
            accepted_at = job.accepted_at.isoformat(timespec="seconds")
            raise Gone(
                f"the job was accepted at {accepted_at}; jobs are kept for"
                f" {self.retention.days} days",
                code="job-expired",
                found=accepted_at,
                allowed=f"{self.retention.days} days",
            )
        return job

    def _failure(self, job: Job) -> bytes | None:
        return self.results.find_failure(job.tenant, job.job_id)

    def _ended(self, job: Job) -> str | None:
        if self.results.has(job.tenant, job.image_id, job.model_id):
            return _COMPLETED
        failure = self._failure(job)
        return _FAILED if failure and json.loads(failure).get("status") != _PENDING else None

    def _state(self, job: Job, failure: bytes | None) -> str:
        ended = self._ended(job)
        look = self._look(job, failure, has_ended=ended is not None)
        if look is Look.CANCELLED:
            return CANCELLED
        return _PENDING if look is Look.UNDECIDED else ended or _PENDING

    def _look(self, job: Job, failure: bytes | None = None, *, has_ended: bool) -> Look:
        """Look whether a job is cancelled, if any of its tenant's ever was."""
        if not self.cancellations.has_any(job.tenant):
            return Look.NOTHING
        replays = failures.replays_of(failure or self._failure(job))
        return self.cancellations.look(job.tenant, job.job_id, replays, has_ended=has_ended)

    def _event(self, job: Job, failure: dict[str, Any]) -> ImageUploaded:
        """Make the event that failed; of an older failure, from what its image says of itself."""
        if "event" in failure:
            return parse_uploaded(failure["event"])
        for key in self.store.keys(INPUT_BUCKET, input_key(job.tenant, job.image_id, "")):
            described = self.store.describe(INPUT_BUCKET, key)
            if described:
                event = recall(key, described, self.job_ids, lambda: job.model_id)
                return replace(event, job_id=job.job_id, model_id=job.model_id)
        raise NotFound("the image is gone", code="image-not-found", found=job.image_id)


def _before(again: ImageUploaded) -> ImageUploaded:
    """Make the event that failed, of the one by which its job is tried anew."""
    return replace(again, replays=again.replays - 1)


def _head(job: Job) -> dict[str, str]:
    return {"jobId": job.job_id, "imageId": job.image_id}
