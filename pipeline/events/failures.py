"""What is stored of a job that failed, and while it is tried anew: its failure object."""

from __future__ import annotations

import json
from collections.abc import Mapping

from pipeline.errors import PipelineError
from pipeline.events.cloudevents import ImageUploaded, datetime_text

_CODE_CHARACTERS = 100
_DETAIL_CHARACTERS = 1000


def reason_of(error: PipelineError) -> dict[str, str]:
    """Write why a message was given up, in few characters, all of which can be written."""
    return {
        "code": _written(error.code)[:_CODE_CHARACTERS],
        "detail": _written(str(error))[:_DETAIL_CHARACTERS],
    }


def encode_failure(event: ImageUploaded, reason: Mapping[str, str], failed_at: float) -> bytes:
    """Render the failure object, from which the job's state is told."""
    failure = {
        "jobId": event.job_id,
        "imageId": event.image_id,
        "modelId": event.model_id,
        "status": "failed",
        "error": {**reason, "attempts": event.attempt},
        "failedAt": datetime_text(failed_at),
        "event": event.to_cloud_event(),
    }
    return json.dumps(failure, ensure_ascii=False).encode()


def replays_of(failure: bytes | None) -> int:
    """Tell how often a job was tried anew, from what is stored of its failure."""
    event = json.loads(failure).get("event", {}) if failure else {}
    return int(event.get("replays", 0))


def encode_retried(event: ImageUploaded, before: object, retried_at: float) -> bytes:
    """Render what takes the place of a failure while the job is tried anew.

    Args:
        before: the error that it had.
    """
    said = {
        "jobId": event.job_id,
        "imageId": event.image_id,
        "modelId": event.model_id,
        "status": "pending",
        "before": before,
        "retriedAt": datetime_text(retried_at),
        "event": event.to_cloud_event(),
    }
    return json.dumps(said, ensure_ascii=False).encode()


def _written(text: str) -> str:
    """Write what UTF-8 has no bytes for as an escape."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")
