"""What became of a job or an image."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from pipeline.errors import Gone, NotFound
from pipeline.events.failures import replays_of
from pipeline.ids import IMAGE_ID_PATTERN, INPUT_BUCKET, Job, JobIds, input_key
from pipeline.storage.cancellations import Cancellations, Look
from pipeline.storage.object_store import ObjectStore
from pipeline.storage.results import Found, Results
from published import PublishedModels


@dataclass(frozen=True)
class Answer:
    """A state in words and, when completed, the result it came from."""

    body: dict[str, Any]
    found: Found | None = None


@dataclass(frozen=True)
class States:
    """Answers for every job and image from what is stored, without a table of its own."""

    results: Results
    store: ObjectStore
    models: PublishedModels
    job_ids: JobIds
    retention: timedelta
    cancellations: Cancellations
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)

    def job(self, tenant: str, job_id: str) -> Answer:
        """Tell a job's state: completed, failed, cancelled or pending.

        A completed result beats a failure, and what was cancelled before either stays so.

        Raises:
            NotFound: it was never issued to this tenant.
            Gone: it is past its retention.
            Unavailable: MinIO does not answer.
        """
        job = self.job_ids.read(job_id, tenant)
        if self.clock() - job.accepted_at > self.retention:
            raise Gone(
                f"the job was accepted at {job.accepted_at.isoformat(timespec='seconds')};"
                f" jobs are kept for {self.retention.days} days",
                code="job-expired",
                found=job.accepted_at.isoformat(timespec="seconds"),
                allowed=f"{self.retention.days} days",
            )
        head = {"jobId": job_id, "imageId": job.image_id}
        found = self.results.find(tenant, job.image_id, job.model_id)
        failure = None if found else self.results.find_failure(tenant, job_id)
        if failure and json.loads(failure).get("status") == "pending":
            failure = None  # it is tried anew
        look = self._look(job, has_ended=bool(found or failure))
        if look is Look.CANCELLED:
            return Answer({**head, "status": "cancelled"})
        if look is Look.NOTHING and found:
            return Answer({**head, "status": "completed", "result": json.loads(found.body)}, found)
        if look is Look.NOTHING and failure:
            return Answer({**head, "status": "failed", "error": json.loads(failure)["error"]})
        return Answer({**head, "status": "pending"})

    def _look(self, job: Job, *, has_ended: bool) -> Look:
        """Look whether a job is cancelled, if any of its tenant's ever was."""
        if not self.cancellations.has_any(job.tenant):
            return Look.NOTHING
        failure = self.results.find_failure(job.tenant, job.job_id)
        replays = replays_of(failure)
        return self.cancellations.look(job.tenant, job.job_id, replays, has_ended=has_ended)

    def image(self, tenant: str, image: str, model: str) -> Answer:
        """Tell an image's result under a model, or that it is pending.

        Raises:
            NotFound: the tenant stored no such image, or there is no such model.
            Unavailable: MinIO does not answer.
        """
        if not IMAGE_ID_PATTERN.fullmatch(image):
            raise NotFound(
                "an image id is 64 lower-case hexadecimal digits",
                code="image-not-found",
                found=image[:200],
            )
        found = self.results.find(tenant, image, model)
        if found:
            return Answer(json.loads(found.body), found)
        if not any(self.store.keys(INPUT_BUCKET, input_key(tenant, image, ""))):
            raise NotFound("no such image", code="image-not-found", found=image)
        self.models.require(model)
        return Answer({"imageId": image, "modelId": model, "status": "pending"})
