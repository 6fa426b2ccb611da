"""A classifier that sleeps: it answers as image-classifier does, always with the same label.

It stands in the place of handler.py in a copy of image-classifier's build, so that what is measured
of scaling is the calls and not the cores. One image at a time, as one replica has one interpreter.
"""

from __future__ import annotations

import json
import os
import threading
import time
from typing import Any

from pipeline import telemetry
from pipeline.events import cloudevents
from pipeline.http import web
from pipeline.http.identity import Verifier
from pipeline.settings import Settings

LABELS = [{"label": "stub", "score": 1.0}]

settings = Settings.from_env(os.environ)
telemetry.configure("image-classifier", settings.log_level)
_image_seconds = float(os.environ["STUB_SECONDS"])
_verifier = Verifier.of_gateway_and_consumer(settings, "image-classifier")
_lock = threading.Lock()


def handle(event: Any, context: Any) -> web.Response:
    """Answer references, or an image, after the time that they would take."""
    return web.answer(event, _answer)


def ready() -> str | None:
    """A stub is always ready."""
    return None


def close() -> None:
    """Nothing is open."""


def _answer(call: web.Call) -> web.Response:
    call.caller(_verifier)
    if call.headers.get("Content-Type") != cloudevents.BATCH_CONTENT_TYPE:
        return web.respond(200, {"labels": LABELS})
    batch = [cloudevents.parse_uploaded(event) for event in json.loads(call.body)]
    with _lock:
        time.sleep(_image_seconds * len(batch))
    return web.respond(200, [_completed(event) for event in batch])


def _completed(event: cloudevents.ImageUploaded) -> dict[str, Any]:
    result = {"imageId": event.image_id, "modelId": event.model_id, "labels": LABELS}
    return {"jobId": event.job_id, "status": "completed", "result": result}
