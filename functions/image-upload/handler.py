"""image-upload: HTTP in, an accepted job out."""

from __future__ import annotations

import logging
import os
from datetime import timedelta
from typing import Any

import replies
from admission import Admission
from concurrency_limit import ConcurrencyLimit
from doors import door_of
from idempotency import Keys
from jobs import Jobs
from lanes import Lanes
from pipeline import telemetry
from pipeline.hooks import crashes
from pipeline.http import web
from pipeline.http.entry import Entry
from pipeline.http.identity import Caller, Verifier
from pipeline.ids import JobIds
from pipeline.images.decoding import Limits
from pipeline.kafka.backlog import BacklogProbe, Reading
from pipeline.kafka.publisher import Publisher
from pipeline.limits import GATEWAY_PATIENCE_SECONDS
from pipeline.models import bundles
from pipeline.names import UPLOAD
from pipeline.quotas import Quota
from pipeline.settings import Settings
from pipeline.storage.cache import ResultCache
from pipeline.storage.cancellations import Cancellations
from pipeline.storage.marks import Marks
from pipeline.storage.object_store import ObjectStore
from pipeline.storage.results import Results
from pipeline.storage.usage import Usage
from quota_gate import QuotaGate
from submitting import Submissions
from upload import Uploads
from waiting import Waiter

logger = logging.getLogger(__name__)

settings = Settings.from_env(os.environ, "image-upload")
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
        job_ids = JobIds(settings.secrets.keys("job-signing-key"))
        model_id = bundles.current_model_id(settings, store)
        results = Results(store, ResultCache(settings))
        self.waiter = Waiter(results, settings.max_waiting_uploads)
        self.lanes = Lanes()
        self.admission = Admission(
            BacklogProbe(settings), settings.max_backlog_images, told=self._note
        )
        self.lanes.look_soon = self.admission.look_soon
        self.quotas = QuotaGate(
            store, Usage(settings), Quota.from_settings(settings), self.admission.look_soon
        )
        marks = Marks(settings)
        self.concurrency = ConcurrencyLimit()
        self.submissions = Submissions(
            Uploads(
                Limits.from_settings(settings),
                store,
                self.publisher,
                job_ids,
                model_id,
                self.lanes,
            ),
            Keys(
                store,
                marks,
                job_ids,
                model_id,
                ttl_seconds=settings.idempotency_ttl_seconds,
                busy_seconds=settings.request_timeout_seconds + GATEWAY_PATIENCE_SECONDS,
            ),
            self.admission,
            self.quotas,
        )
        self.jobs = Jobs(
            store,
            results,
            self.publisher,
            job_ids,
            self.admission,
            self.quotas,
            marks,
            Cancellations(store),
            timedelta(days=settings.job_retention_days),
            lanes=self.lanes,
        )
        self.quotas.start()
        self.admission.start()

    def answer(self, call: web.Call) -> web.Response:
        """Answer one upload, or what is asked of a job."""
        call.require_method("POST")
        caller = call.caller(self.verifier)
        caller.require(UPLOAD)
        return self.jobs.answer(caller.tenant, call) or self._upload(caller, call)

    def _upload(self, caller: Caller, call: web.Call) -> web.Response:
        """Accept: 202, or 200 with the result when the client preferred to wait."""
        crashes.point("upload.read")
        door = door_of(call.path)
        seconds = door.seconds(call, settings.max_wait_seconds)
        with self.concurrency.one(caller.tenant, is_awaited=seconds > 0):
            submitted = self.submissions.submit(
                caller.tenant,
                call,
                lambda: door.read(call, settings.max_files_per_request),
                is_awaited=seconds > 0,
            )
        jobs = submitted.jobs
        if submitted.is_repeated:  # of which one may have been cancelled meanwhile
            jobs = [job for job in jobs if not self.jobs.is_cancelled(job)]
        found = self.jobs.told_of(jobs, self.waiter.wait(jobs, seconds))
        return replies.of(submitted, found, call.trace_id, door)

    def close(self) -> None:
        """End the threads of this process."""
        self.admission.close()
        self.publisher.close()
        self.quotas.close()

    def _note(self, reading: Reading) -> None:
        self.lanes.note(reading)
        self.quotas.note(reading)


entry = Entry(lambda: Function(settings))


def handle(event: Any, context: Any) -> web.Response:
    """Answer one request in OpenFaaS' handler shape."""
    return entry.handle(event, Function.answer)


def sender(event: Any) -> str:
    """Tell whose request it is: no tenant gets all room there is for requests in flight."""
    return entry.tenant_of(event, lambda function: function.verifier)


def ready() -> str | None:
    """Tell why uploads cannot be taken yet, or None: the clients could be made."""
    return entry.why_not_ready()


def close() -> None:
    """Let the last events be acknowledged."""
    entry.close(Function.close)
