"""Events as uploads make them, for tests."""

from __future__ import annotations

import hashlib
from typing import Any

from pipeline.events import ImageUploaded
from pipeline.ids import INPUT_BUCKET, input_key

TRACEPARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


def uploaded(name: str = "a", **changes: Any) -> ImageUploaded:
    """The event of an accepted image; its id follows from the name."""
    image = hashlib.sha256(name.encode()).hexdigest()
    tenant = changes.pop("tenant_id", "default")
    fields: dict[str, Any] = {
        "tenant_id": tenant,
        "job_id": f"job-{name}",
        "image_id": image,
        "model_id": "demonstration-0123456789ab",
        "original_file_name": f"{name}.jpg",
        "storage_path": f"{INPUT_BUCKET}/{input_key(tenant, image, 'jpg')}",
        "file_size": 1234,
        "mime_type": "image/jpeg",
        "uploaded_at": "2026-01-02T03:04:05.678+00:00",
        "duplicate": False,
        "traceparent": TRACEPARENT,
    }
    return ImageUploaded(**{**fields, **changes})
