"""image-upload: HTTP in, an accepted job out."""

from __future__ import annotations

import json
import logging
import os
from typing import Any

from admission import Admission
from form import read_file
from pipeline import telemetry
from pipeline.errors import PipelineError, Unavailable
from pipeline.hooks import crashes
from pipeline.http import web
from pipeline.http.entry import Entry
from pipeline.http.identity import UPLOAD, Verifier
from pipeline.ids import Job, JobIds
from pipeline.images.decoding import Limits
from pipeline.kafka.backlog import BacklogProbe
from pipeline.kafka.broker import Publisher
from pipeline.models import bundles
from pipeline.settings import Settings
from pipeline.storage.cache import ResultCache
from pipeline.storage.object_store import ObjectStore
from pipeline.storage.results import Found, Results
from upload import Uploads
from waiting import Waiter, preferred_seconds

logger = logging.getLogger(__name__)

settings = Settings.from_env(os.environ)
# Read by the server: a larger body is answered 413.
MAX_BODY_BYTES = settings.max_body_bytes
telemetry.configure("image-upload", settings.log_level)
crashes.configure(settings.crash_dir)


class Function:
    """The clients of one process and what they are used for."""

    def __init__(self, settings: Settings) -> None:
        store = ObjectStore(settings)
        self.verifier = Verifier.of_gateway(settings, "image-upload")
        self.publisher = Publisher(settings)
        self.uploads = Uploads(
            limits=Limits.from_settings(settings),
            store=store,
            publisher=self.publisher,
            job_ids=JobIds(settings.secret("job-signing-key")),
            model_id=bundles.current_model_id(settings, store),
        )
        results = Results(store, ResultCache(settings))
        self.waiter = Waiter(results, settings.max_waiting_uploads)
        self.admission = Admission(BacklogProbe(settings), settings.max_backlog_images)
        self.admission.start()

    def upload(self, call: web.Call) -> web.Response:
        """Answer one upload: 202, or 200 with the result when the client preferred to wait."""
        call.require_method("POST")
        caller = call.caller(self.verifier)
        caller.require(UPLOAD)
        crashes.point("upload.read")
        try:
            with self.admission.one():
                job = self.uploads.accept(caller.tenant, read_file(call), call.trace_id)
        except PipelineError as error:
            telemetry.UPLOADS.labels(error.code).inc()
            raise
        telemetry.UPLOADS.labels("accepted").inc()
        seconds = preferred_seconds(call.headers.get("Prefer", ""), settings.max_wait_seconds)
        found = self._wait(job, seconds)
        return _completed(job, found) if found else _accepted(job)

    def close(self) -> None:
        """End the threads of this process."""
        self.admission.close()
        self.publisher.close()

    def _wait(self, job: Job, seconds: int) -> Found | None:
        try:
            return self.waiter.wait(job, seconds)
        except Unavailable:
            return None  # the job is accepted all the same, and its 202 says where to ask


entry = Entry(lambda: Function(settings))


def handle(event: Any, context: Any) -> web.Response:
    """Answer one request in OpenFaaS' handler shape."""
    return entry.handle(event, Function.upload)


def ready() -> str | None:
    """Tell why uploads cannot be taken yet, or None: the clients could be made."""
    return entry.why_not_ready()


def close() -> None:
    """Let the last events be acknowledged."""
    entry.close(Function.close)


def _links(job: Job) -> dict[str, str]:
    return {
        "job": f"/api/v1/jobs/{job.job_id}",
        "image": f"/api/v1/images/{job.image_id}",
    }


def _accepted(job: Job) -> web.Response:
    body = {
        "jobId": job.job_id,
        "imageId": job.image_id,
        "status": "accepted",
        "links": _links(job),
    }
    return web.respond(202, body, {"Location": _links(job)["job"]})


def _completed(job: Job, found: Found) -> web.Response:
    body = {
        "jobId": job.job_id,
        "imageId": job.image_id,
        "status": "completed",
        "result": json.loads(found.body),
    }
    headers = {"Preference-Applied": "wait", "X-Cache": found.x_cache}
    return web.respond(200, body, {"Location": _links(job)["job"], **headers})
