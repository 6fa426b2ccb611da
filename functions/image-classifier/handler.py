"""image-classifier: references or an image in, predictions out."""

from __future__ import annotations

import os
from functools import partial
from typing import Any

import answers
import batches
from classifier import Classifier
from engine import Engine
from loaded_models import LoadedModels
from model import Model
from pipeline import telemetry
from pipeline.errors import Forbidden, ModelRefused
from pipeline.events import cloudevents
from pipeline.hooks import crashes, inferences
from pipeline.http import web
from pipeline.http.entry import Entry
from pipeline.http.identity import CONSUMER, REFERENCES, Caller, Verifier
from pipeline.images.decoding import Limits
from pipeline.models import bundles
from pipeline.models.manifest import MODEL_FILE
from pipeline.names import UPLOAD
from pipeline.settings import Settings
from pipeline.storage.cache import ResultCache
from pipeline.storage.object_store import ObjectStore
from pipeline.storage.results import Results

settings = Settings.from_env(os.environ, "image-classifier")
# Read by the server: a larger body is answered 413.
MAX_BODY_BYTES = settings.max_body_bytes
telemetry.configure("image-classifier", settings.log_level)
crashes.configure(settings.crash_dir)
inferences.configure(settings.inference_log)


class Function:
    """The model and the clients of one process."""

    def __init__(self, settings: Settings) -> None:
        self.verifier = Verifier.of_gateway_and_consumer(settings, "image-classifier")
        store = ObjectStore(settings)
        model_id = bundles.current_model_id(settings, store)
        engine = _load(settings, store, model_id)
        if engine is None:
            raise ModelRefused(f"MODEL_ID is {model_id}; expected a model that MinIO holds")
        self.manifest = engine.manifest
        telemetry.MODEL_LOADED.labels(
            self.manifest.model_id, self.manifest.digests[MODEL_FILE]
        ).set(1)
        engines = LoadedModels(engine, partial(_load, settings, store))
        results = Results(store, ResultCache(settings))
        self.classifier = Classifier(engines, store, results)

    def answer(self, call: web.Call) -> web.Response:
        """Answer references to the consumer, an image to anybody else."""
        call.require_method("POST")
        caller = call.caller(self.verifier)
        if call.headers.get("Content-Type") == cloudevents.BATCH_CONTENT_TYPE:
            return self._classify_references(call, caller)
        caller.require(UPLOAD)
        return self._classify_bytes(call)

    def _classify_references(self, call: web.Call, caller: Caller) -> web.Response:
        if caller.sender != CONSUMER or REFERENCES not in caller.scopes:
            raise Forbidden(
                "references are taken from inside only; send the image itself",
                code="references-refused",
                found=cloudevents.BATCH_CONTENT_TYPE,
                allowed="one image as the body",
            )
        is_urgent = call.headers.get("Priority", "") == cloudevents.URGENT
        return web.respond(
            200, self.classifier.classify(batches.parse(call.body), is_urgent=is_urgent)
        )

    def _classify_bytes(self, call: web.Call) -> web.Response:
        seen = self.classifier.look(call.body)
        body = {
            "modelId": self.manifest.model_id,
            "labels": answers.labels_of(seen),
            "model": answers.model_of(self.manifest),
        }
        return web.respond(200, body)


entry = Entry(lambda: Function(settings))


def handle(event: Any, context: Any) -> web.Response:
    """Answer one request in OpenFaaS' handler shape."""
    return entry.handle(event, Function.answer)


def sender(event: Any) -> str:
    """Tell whose request it is: no tenant gets all room there is for requests in flight."""
    return entry.tenant_of(event, lambda function: function.verifier)


def ready() -> str | None:
    """Tell why nothing can be classified yet, or None: a warm prediction has succeeded."""
    return entry.why_not_ready()


def close() -> None:
    """Finish what is being stored."""
    entry.close(lambda function: function.classifier.close())


def _load(settings: Settings, store: ObjectStore, model_id: str) -> Engine | None:
    """Make a warm engine of a model in MinIO; None when it is not there."""
    files = bundles.read_bundle(store, model_id)
    if not files:
        return None
    engine = Engine(Model.from_files(files), Limits.from_settings(settings), settings.top_k)
    engine.warm_up()
    return engine
