"""What image-failures holds: messages that could not be worked off, and why."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

from pipeline.events import ImageUploaded, Origin, dump, envelope

FAILED = "ImageFailed"


def encode_failed(
    raw: bytes, uploaded: ImageUploaded | None, reason: Mapping[str, str], origin: Origin
) -> bytes:
    """Render the dead letter of one message; bytes that are no event are kept as base64."""
    place = f"{origin.topic}/{origin.partition}/{origin.offset}"
    subject = uploaded.image_id if uploaded else place
    event = envelope(
        FAILED,
        "/image-process-consumer",
        uploaded.job_id if uploaded else place,
        subject,
        uploaded.traceparent if uploaded else "",
    )
    original: dict[str, Any] = (
        {"originalEvent": uploaded.to_cloud_event()}
        if uploaded
        else {"originalBytes": base64.b64encode(raw).decode()}
    )
    event["data"] = original | {
        "reason": dict(reason),
        "attempts": uploaded.attempt if uploaded else 1,
        "originTopic": origin.topic,
        "originPartition": origin.partition,
        "originOffset": origin.offset,
    }
    return dump(event)
