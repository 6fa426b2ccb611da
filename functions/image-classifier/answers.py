"""The result that is stored for an image, and the answer for each reference."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from engine import Seen
from pipeline import telemetry
from pipeline.errors import InvalidImage, Unavailable
from pipeline.events.cloudevents import ImageUploaded, datetime_text
from pipeline.models.manifest import Manifest


def labels_of(seen: Seen) -> list[dict[str, Any]]:
    """Write the labels, best first; scores are probabilities."""
    return [{"label": label, "score": round(score, 6)} for label, score in seen.labels]


def model_of(manifest: Manifest) -> dict[str, Any]:
    """Write which model answered."""
    return {
        "name": manifest.name,
        "version": manifest.version,
        "demonstration": manifest.demonstration,
        "digests": dict(manifest.digests),
    }


def result_of(event: ImageUploaded, seen: Seen, manifest: Manifest) -> dict[str, Any]:
    """Write the result of one image as it is stored."""
    return {
        "imageId": event.image_id,
        "modelId": manifest.model_id,
        "status": "completed",
        "labels": labels_of(seen),
        "model": model_of(manifest),
        "preprocessing": {
            "name": manifest.preprocessing_name,
            "digest": manifest.preprocessing_digest,
        },
        "timings": {
            "decodeMilliseconds": round(seen.decode_milliseconds, 3),
            "inferMilliseconds": round(seen.infer_milliseconds, 3),
        },
        "originalFileName": event.original_file_name,
        "traceId": telemetry.trace_id(event.traceparent),
        "classifiedAt": datetime_text(datetime.now(UTC).timestamp()),
    }


def completed(event: ImageUploaded, stored: bytes) -> dict[str, Any]:
    """Answer one reference with the result that is stored."""
    return {"jobId": event.job_id, "status": "completed", "result": json.loads(stored)}


def refused(event: ImageUploaded, error: InvalidImage | Unavailable) -> dict[str, Any]:
    """Answer one reference with what stood in the way: the image, or a dependency."""
    return {
        "jobId": event.job_id,
        "status": "invalid" if isinstance(error, InvalidImage) else "unavailable",
        "error": {"code": error.code, "detail": str(error)},
    }
