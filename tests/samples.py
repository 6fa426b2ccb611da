"""Events as uploads make them, for tests."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import Any

from pipeline.events.calls import FunctionCalled, Payload
from pipeline.events.cloudevents import ImageUploaded
from pipeline.ids import INPUT_BUCKET, JobIds, input_key
from pipeline.models.manifest import (
    LABELS_FILE,
    MODEL_FILE,
    Input,
    Manifest,
    Preprocessing,
    Source,
    sha256,
)

MANIFEST = Manifest(
    name="any",
    version="1",
    demonstration=False,
    input=Input(224, 224, 3),
    preprocessing=Preprocessing("minus-one-to-one", 0.875, 512),
    output="probabilities",
    digests={MODEL_FILE: sha256(b""), LABELS_FILE: sha256(b"")},
    source=Source("any.tflite", sha256(b"")),
)


MODEL_ID = "demonstration-0123456789ab"
TRACEPARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


def image_id(name: str) -> str:
    """The id of an image of this name."""
    return hashlib.sha256(name.encode()).hexdigest()


def job_id(
    name: str = "a", tenant: str = "default", model: str = MODEL_ID, submission: int = 0
) -> str:
    """The id of a job for this image, the same every time."""
    return JobIds("key").reissue(tenant, image_id(name), model, 1.8e9 + submission).job_id


def uploaded(name: str = "a", **changes: Any) -> ImageUploaded:
    """The event of an accepted image; its id follows from the name."""
    image = image_id(name)
    tenant, model = changes.get("tenant_id", "default"), changes.get("model_id", MODEL_ID)
    fields: dict[str, Any] = {
        "tenant_id": tenant,
        "job_id": job_id(name, tenant, model),
        "image_id": image,
        "model_id": model,
        "original_file_name": f"{name}.jpg",
        "storage_path": f"{INPUT_BUCKET}/{input_key(tenant, image, 'jpg')}",
        "file_size": 1234,
        "mime_type": "image/jpeg",
        "uploaded_at": "2026-01-02T03:04:05.678+00:00",
        "duplicate": False,
        "traceparent": TRACEPARENT,
    }
    return ImageUploaded(**{**fields, **changes})


def called(**changes: Any) -> FunctionCalled:
    """An accepted call of a function that is not ours."""
    call = FunctionCalled(
        event_id="0123456789abcdef0123456789abcdef",
        call_id="a-call",
        function="worker",
        method="POST",
        path="/?a=b",
        headers=(("Content-Type", "text/plain"), ("X-Name", "J\xc3\xb6rg")),
        body=Payload.of(b"hello"),
        accepted_at="2026-11-26T12:00:00.000+00:00",
    )
    return replace(call, **changes)
