"""image-results: a job's or an image's state and result, and whether the system is ready."""

from __future__ import annotations

import os
from datetime import timedelta
from typing import Any

from filters import LabelFilter, model_in
from pipeline import telemetry
from pipeline.errors import NotFound
from pipeline.http import web
from pipeline.http.conditions import conditional
from pipeline.http.entry import Entry
from pipeline.http.identity import Verifier
from pipeline.ids import JobIds
from pipeline.models import bundles
from pipeline.names import READ
from pipeline.settings import Settings
from pipeline.storage.cache import ResultCache
from pipeline.storage.cancellations import Cancellations
from pipeline.storage.object_store import ObjectStore
from pipeline.storage.results import Results
from published import PublishedModels
from readiness import Readiness, all_ready
from states import Answer, States

settings = Settings.from_env(os.environ, "image-results")
# Read by the server: a larger body is answered 413.
MAX_BODY_BYTES = settings.max_body_bytes
telemetry.configure("image-results", settings.log_level)


class Function:
    """The clients of one process and what they are used for."""

    def __init__(self, settings: Settings) -> None:
        store, cache = ObjectStore(settings), ResultCache(settings)
        self.verifier = Verifier.of_gateway(settings, "image-results")
        self.model_id = bundles.current_model_id(settings, store)
        self.states = States(
            results=Results(store, cache),
            store=store,
            models=PublishedModels(store, self.model_id),
            job_ids=JobIds(settings.secrets.keys("job-signing-key")),
            retention=timedelta(days=settings.job_retention_days),
            cancellations=Cancellations(store),
        )
        self.readiness = Readiness(settings, store, cache)

    def answer(self, call: web.Call) -> web.Response:
        """Route one request: /jobs/{jobId}, /images/{imageId} or /readyz."""
        call.require_method("GET", "HEAD")
        kind, _, name = call.path.strip("/").partition("/")
        if kind == "readyz" and not name:
            return self._ready()
        caller = call.caller(self.verifier)
        caller.require(READ)
        tenant = caller.tenant
        if kind == "jobs" and name:
            return _respond(call, self.states.job(tenant, name))
        if kind == "images" and name:
            labels = LabelFilter.from_query(call.query)
            answer = self.states.image(tenant, name, model_in(call.query, self.model_id))
            return _respond(call, Answer(labels.apply(answer.body), answer.found))
        raise NotFound(
            f"there is nothing at {call.path[:200]}",
            found=call.path[:200],
            allowed="/jobs/{jobId}, /images/{imageId}",
        )

    def _ready(self) -> web.Response:
        parts = self.readiness.parts()
        ready = all_ready(parts)
        body = {"status": "ready" if ready else "not ready", "parts": parts}
        return web.respond(200 if ready else 503, body)


entry = Entry(lambda: Function(settings))


def handle(event: Any, context: Any) -> web.Response:
    """Answer one request in OpenFaaS' handler shape."""
    return entry.handle(event, Function.answer)


def sender(event: Any) -> str:
    """Tell whose request it is: no tenant gets all room there is for requests in flight."""
    return entry.tenant_of(event, lambda function: function.verifier)


def ready() -> str | None:
    """Tell why no state can be told yet, or None: the clients could be made."""
    return entry.why_not_ready()


def _respond(call: web.Call, answer: Answer) -> web.Response:
    headers = {"X-Cache": answer.found.x_cache} if answer.found else {}
    return conditional(call, web.respond(200, answer.body, headers))
